//! The exchange of two devices over any post: they agree on a channel, and say things of any length over it.

use minicbor::{Decode, Encode};
use openchat_identity::LinkCode;
use openchat_identity::linking::{Agreed, Channel, End, Exchange, LinkingError};
use openchat_protocol::{ServerFingerprint, codec, limits};
use zeroize::Zeroizing;

use crate::error::{ClientError, ErrorKind};

/// What is said is sealed in pieces of this length: a byte before and a tag behind fit into one message.
const PIECE: usize = limits::LINK_MESSAGE - 1 - 16;
/// All of one thing that is said.
const LONGEST: usize = 16 << 20;

/// Says whether more pieces follow.
const MORE: u8 = 0;
const LAST: u8 = 1;

/// What carries messages to the other device, in order.
pub(super) trait Post: Send {
    fn send(&mut self, message: Vec<u8>) -> impl Future<Output = Result<(), Failed>> + Send;
    fn receive(&mut self) -> impl Future<Output = Result<Vec<u8>, Failed>> + Send;
}

/// Why a try has come to nothing.
#[derive(Debug)]
pub(super) enum Failed {
    /// The codes differ, or somebody has altered what was sent: one guess is used up.
    Guess,
    /// Somebody else has begun another try.
    Superseded,
    /// Another try would end the same way.
    ForGood(ClientError),
}

impl From<ClientError> for Failed {
    fn from(error: ClientError) -> Self {
        Self::ForGood(error)
    }
}

impl From<LinkingError> for Failed {
    fn from(error: LinkingError) -> Self {
        match error {
            LinkingError::Malformed | LinkingError::Unconfirmed => Self::Guess,
            LinkingError::Altered => {
                Self::ForGood(ClientError::new(ErrorKind::Alarm, format!("nothing was linked: {error}")))
            }
        }
    }
}

/// Two devices that have shown each other that they know the code.
pub(super) struct Talk<'a, P> {
    post: &'a mut P,
    channel: Channel,
}

/// At the device that shows the code. It says nothing that depends on the code before the other end has shown that it
/// knows it, so that a guess tells whether it was right and no more.
pub(super) async fn agree_known<'a, P: Post>(
    post: &'a mut P,
    code: &LinkCode,
    server: &ServerFingerprint,
) -> Result<Talk<'a, P>, Failed> {
    let theirs = post.receive().await?;
    let (exchange, ours) = Exchange::begin(End::Known, code, server);
    let agreed = exchange.agree(&theirs)?;
    post.send(ours).await?;
    let tag = post.receive().await?;
    let own_tag = agreed.tag();
    match agreed.confirm(&tag) {
        Ok(channel) => {
            post.send(own_tag).await?;
            Ok(Talk { post, channel })
        }
        Err(error) => {
            // The other end waits for a tag: this is none.
            post.send(Vec::new()).await?;
            Err(error.into())
        }
    }
}

/// At the device to which the code was carried.
pub(super) async fn agree_new<'a, P: Post>(
    post: &'a mut P,
    code: &LinkCode,
    server: &ServerFingerprint,
) -> Result<Talk<'a, P>, Failed> {
    let (exchange, ours) = Exchange::begin(End::New, code, server);
    post.send(ours).await?;
    let agreed: Agreed = exchange.agree(&post.receive().await?)?;
    post.send(agreed.tag()).await?;
    let tag = post.receive().await?;
    Ok(Talk { channel: agreed.confirm(&tag)?, post })
}

impl<'a, P: Post> Talk<'a, P> {
    /// Goes on over another post.
    pub(super) fn over(post: &'a mut P, channel: Channel) -> Self {
        Self { post, channel }
    }

    /// What the two have agreed on, for another post.
    pub(super) fn into_channel(self) -> Channel {
        self.channel
    }

    pub(super) async fn say<T: Encode<()>>(&mut self, what: &T) -> Result<(), Failed> {
        let bytes = Zeroizing::new(codec::encode(what));
        let count = bytes.len().div_ceil(PIECE).max(1);
        for number in 1..=count {
            let piece = bytes.chunks(PIECE).nth(number - 1).unwrap_or_default();
            let mark = if number == count { LAST } else { MORE };
            let plain = Zeroizing::new([&[mark], piece].concat());
            let sealed = self.channel.seal(&plain)?;
            self.post.send(sealed).await?;
        }
        Ok(())
    }

    pub(super) async fn hear<T: for<'b> Decode<'b, ()>>(&mut self) -> Result<T, Failed> {
        // Room for the usual at once: what grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(PIECE));
        loop {
            let sealed = self.post.receive().await?;
            let plain = self.channel.open(&sealed)?;
            let (mark, piece) = plain.split_first().ok_or_else(malformed)?;
            bytes.extend_from_slice(piece);
            match *mark {
                LAST => return codec::decode(&bytes).map_err(|_| malformed()),
                MORE if bytes.len() <= LONGEST => {}
                _ => return Err(malformed()),
            }
        }
    }
}

fn malformed() -> Failed {
    let message = "the other device says something that this one does not understand";
    Failed::ForGood(
        ClientError::new(ErrorKind::Version, message).with_help("install the same openchat on both"),
    )
}
