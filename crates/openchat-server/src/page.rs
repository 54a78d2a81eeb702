//! A page of records as one frame, written from the shared bytes of the records without copying them twice.

use bytes::Bytes;
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Encode, bytes::ByteSlice};
use openchat_protocol::RoomId;

/// [`ServerFrame::Event`](openchat_protocol::ServerFrame), byte for byte, when it holds a page.
#[derive(Encode)]
pub(crate) enum PageFrame<'a> {
    #[n(2)]
    Event(#[n(0)] PageEvent<'a>),
}

#[derive(Encode)]
pub(crate) enum PageEvent<'a> {
    #[n(0)]
    Page(#[n(0)] Page<'a>),
}

#[derive(Encode)]
pub(crate) struct Page<'a> {
    #[n(0)]
    pub(crate) room: RoomId,
    #[n(1)]
    pub(crate) records: Records<'a>,
    #[n(2)]
    pub(crate) head: u64,
    #[n(3)]
    pub(crate) ended: bool,
}

pub(crate) struct Records<'a>(pub(crate) &'a [Bytes]);

impl<C> Encode<C> for Records<'_> {
    fn encode<W: Write>(&self, e: &mut Encoder<W>, context: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.array(self.0.len() as u64)?;
        for record in self.0 {
            e.encode_with(<&ByteSlice>::from(record.as_ref()), context)?;
        }
        Ok(())
    }
}

impl<'a> PageFrame<'a> {
    pub(crate) fn new(room: RoomId, records: &'a [Bytes], head: u64, ended: bool) -> Self {
        Self::Event(PageEvent::Page(Page { room, records: Records(records), head, ended }))
    }
}

#[cfg(test)]
mod tests {
    use openchat_protocol::{Event, ServerFrame, codec, room};

    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_protocol() {
        let records = [Bytes::from_static(b"one"), Bytes::from_static(b"")];
        for (records, ended) in [(&records[..], false), (&[][..], true)] {
            let expected = ServerFrame::Event(Event::Page(room::Page {
                room: RoomId([7; 16]),
                records: records.iter().map(|record| record.to_vec().into()).collect(),
                head: 300,
                ended,
            }));
            let frame = PageFrame::new(RoomId([7; 16]), records, 300, ended);
            assert_eq!(codec::encode(&frame), codec::encode(&expected));
        }
    }
}
