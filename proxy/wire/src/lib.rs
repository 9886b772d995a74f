//! What the first bytes of a connection are: a TLS hello and its server name, HTTP of which version, or the mesh's
//! transport header. What enters is a borrowed slice, what leaves borrows it. Never in here: reading, waiting, copying
//! more than a header's own text.

pub mod hello;
pub mod preface;
pub mod transport_header;
