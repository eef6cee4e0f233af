//! The files below `models/studies`, by name. A test compares the list with the folder.

/// Name and text.
pub static FILES: &[(&str, &str)] = &[
    ("seed-000-bursty.csv", include_str!("../../../models/studies/seed-000-bursty.csv")),
    ("seed-000-heavy.csv", include_str!("../../../models/studies/seed-000-heavy.csv")),
    ("seed-000-memory.toml", include_str!("../../../models/studies/seed-000-memory.toml")),
    ("seed-000-normal.csv", include_str!("../../../models/studies/seed-000-normal.csv")),
    ("seed-001-stability.toml", include_str!("../../../models/studies/seed-001-stability.toml")),
    ("seed-002-routing.toml", include_str!("../../../models/studies/seed-002-routing.toml")),
    ("seed-003-gpu-scheduling.toml", include_str!("../../../models/studies/seed-003-gpu-scheduling.toml")),
    ("seed-004-batching.toml", include_str!("../../../models/studies/seed-004-batching.toml")),
];

/// The text of a file.
pub fn text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(file, _)| *file == name).map(|(_, text)| *text)
}
