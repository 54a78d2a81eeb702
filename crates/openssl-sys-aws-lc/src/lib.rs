//! AWS-LC in the place of OpenSSL's libcrypto: SQLCipher compiles against its headers and links with it.

// Named so that the linker puts AWS-LC behind SQLCipher's objects.
extern crate aws_lc_sys as _;
