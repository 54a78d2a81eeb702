//! What only a database on disk can get wrong.
