//! Phase-type laws, Markovian arrivals and quasi-birth–death processes.
