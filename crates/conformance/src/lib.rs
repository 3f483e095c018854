//! Runs TCP test scripts against the endpoint.
