#!/bin/sh
# Builds the paper, paper.pdf, with every number, table and figure in it.
#
#   papers/build.sh           runs the engine, too (a few minutes on two cores)
#   papers/build.sh --quick   takes what the engine printed last from papers/measured/
set -eu
cd "$(dirname "$0")/.."

measure=--measure
case "${1:-}" in
"") ;;
--quick) measure= ;;
*)
    echo "usage: papers/build.sh [--quick]" >&2
    exit 2
    ;;
esac

packages="texlive-latex-base texlive-latex-recommended texlive-fonts-recommended texlive-pictures texlive-science lmodern latexmk"
if ! command -v latexmk >/dev/null || ! kpsewhich siunitx.sty pgfplots.sty mathpazo.sty natbib.sty booktabs.sty lmodern.sty >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        # shellcheck disable=SC2086
        apt-get install -y --no-install-recommends $packages
    else
        echo "papers/build.sh needs LaTeX; on Debian: apt-get install $packages" >&2
        exit 1
    fi
fi

cargo build --release --locked --bin fluidsim --example paper
target="${CARGO_TARGET_DIR:-target}/release"
# shellcheck disable=SC2086
"$target/examples/paper" "$target/fluidsim" $measure

cd papers
latexmk -pdf -interaction=nonstopmode -halt-on-error -silent paper.tex
if grep -E "^Overfull|undefined" paper.log; then
    echo "papers/build.sh: the lines above do not fit, or refer to nothing" >&2
    exit 1
fi
echo "papers/paper.pdf"
