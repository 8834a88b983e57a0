//! The service on plain requests.
