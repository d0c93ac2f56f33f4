//! Many writes in few transactions: as many as etcd takes in one.

/// etcd refuses a request of more than 1.5 MiB; the rest is for keys and framing.
const MAX_BYTES: usize = 1 << 20;

/// The items in portions of at most `most`, and of at most 1 MiB unless a single one is larger.
pub(crate) fn portions<T>(items: &[T], most: usize, size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut portions = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (end, item) in items.iter().enumerate() {
        let next = size(item);
        if end > start && (end - start == most || bytes + next > MAX_BYTES) {
            portions.push(&items[start..end]);
            (start, bytes) = (end, 0);
        }
        bytes += next;
    }
    if start < items.len() {
        portions.push(&items[start..]);
    }
    portions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_whole_and_within_both_limits() {
        let sizes = [1, 1, 1, 1 << 20, 1, 2 << 20, 1, 1];
        let found: Vec<usize> =
            portions(&sizes, 2, |size| *size).iter().map(|portion| portion.len()).collect();
        assert_eq!(found, [2, 1, 1, 1, 1, 2]);
        assert!(portions(&[], 2, |size: &usize| *size).is_empty());
    }
}
