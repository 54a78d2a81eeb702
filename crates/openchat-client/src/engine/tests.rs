//! Two or three engines, a fake server, and a clock that is told.
