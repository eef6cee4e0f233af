//! The one place that prints to standard output.

use std::io::{self, Write};

/// Prints `text` as it is. When nobody reads any more, as in `fluidsim … | head`, the program ends quietly with code 0.
///
/// # Errors
/// Any other failure to write, such as a full disk behind a redirection.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if printed(&mut stdout, text)? {
        return Ok(());
    }
    std::process::exit(0)
}

/// Whether the reader took `text`; `false` when it has gone.
fn printed(stream: &mut impl Write, text: &str) -> io::Result<bool> {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        result => result.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_error() {
        assert!(printed(&mut Vec::new(), "text").unwrap());
        assert!(!printed(&mut Failing(io::ErrorKind::BrokenPipe), "text").unwrap());
        assert!(printed(&mut Failing(io::ErrorKind::StorageFull), "text").is_err());
    }
}
