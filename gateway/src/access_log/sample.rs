//! Which exchanges are logged.

use roundhouse_config::Share;

use super::End;

/// Errors always; of what went well, the share. A client that leaves is no error: people close tabs.
pub(super) fn is_logged(status: Option<u16>, end: End, share: Share, random: impl FnOnce() -> u32) -> bool {
    let went_well =
        matches!(end, End::Complete | End::ClientGone) && status.is_none_or(|status| status < 500);
    !went_well || share == Share::ALL || share.takes(random())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plane::Reason;

    #[test]
    fn errors_are_logged_and_a_share_of_the_rest() {
        let logged = |status, end, share| is_logged(status, end, share, || u32::MAX / 2);
        let (few, most) = (Share::new(0.1).unwrap(), Share::new(0.9).unwrap());
        for (status, end) in [
            (Some(500), End::Complete),
            (Some(599), End::ClientGone),
            (Some(404), End::Answered("no-route")),
            (Some(200), End::InstanceFailed),
            (Some(200), End::Timeout),
            (Some(200), End::Closed(Reason::Stopping)),
            (None, End::Timeout),
        ] {
            assert!(logged(status, end, Share::NONE), "{status:?} {end:?}");
        }
        for (status, end) in [(Some(200), End::Complete), (Some(499), End::Complete), (None, End::ClientGone)]
        {
            assert!(!logged(status, end, Share::NONE) && !logged(status, end, few), "{status:?} {end:?}");
            assert!(logged(status, end, most) && logged(status, end, Share::ALL), "{status:?} {end:?}");
        }
        assert!(is_logged(Some(200), End::Complete, Share::ALL, || unreachable!(
            "nothing is left to chance"
        )));
    }
}
