//! Rooms of several devices, driven by a log.
