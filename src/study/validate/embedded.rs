//! The files below `validation/cases`, by name. A test compares the list with the folder.

/// Name and text.
pub static FILES: &[(&str, &str)] = &[
    ("engine/classes-and-batches.toml", include_str!("../../../validation/cases/engine/classes-and-batches.toml")),
    ("engine/dynamic-batching.csv", include_str!("../../../validation/cases/engine/dynamic-batching.csv")),
    ("engine/grid.toml", include_str!("../../../validation/cases/engine/grid.toml")),
    ("queueing/disciplines.toml", include_str!("../../../validation/cases/queueing/disciplines.toml")),
    ("queueing/erlang-c.csv", include_str!("../../../validation/cases/queueing/erlang-c.csv")),
    ("queueing/erlang.csv", include_str!("../../../validation/cases/queueing/erlang.csv")),
    ("queueing/las.csv", include_str!("../../../validation/cases/queueing/las.csv")),
    ("queueing/mg1.csv", include_str!("../../../validation/cases/queueing/mg1.csv")),
    ("queueing/mg1.toml", include_str!("../../../validation/cases/queueing/mg1.toml")),
    ("queueing/mm1.csv", include_str!("../../../validation/cases/queueing/mm1.csv")),
    ("queueing/mm1.toml", include_str!("../../../validation/cases/queueing/mm1.toml")),
    ("queueing/mmc.csv", include_str!("../../../validation/cases/queueing/mmc.csv")),
    ("queueing/mmc.toml", include_str!("../../../validation/cases/queueing/mmc.toml")),
    ("queueing/psjf.csv", include_str!("../../../validation/cases/queueing/psjf.csv")),
    ("queueing/sjf.csv", include_str!("../../../validation/cases/queueing/sjf.csv")),
    ("queueing/srpt.csv", include_str!("../../../validation/cases/queueing/srpt.csv")),
    ("queueing/walk.csv", include_str!("../../../validation/cases/queueing/walk.csv")),
    ("queueing/walk.toml", include_str!("../../../validation/cases/queueing/walk.toml")),
];
