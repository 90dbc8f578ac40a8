//! The order in which store paths are copied.

use std::cmp::Reverse;

use crate::store::database::Record;

/// Paths of at least this many bytes are not copied in the order of the medium.
const LARGE: u64 = 32 << 20;

/// Orders `records` as they lie on the medium, where neighbours share blocks, but for the large ones: these are spread evenly among the
/// others, because small files take longer per byte, and an estimate that is made while only large ones are copied is too short. The
/// largest come first, so that the large path that is begun last, when little is left for the other workers, is the smallest.
pub(super) fn spread(mut records: Vec<&Record>) -> Vec<&Record> {
    let large = |record: &Record| Reverse(if record.nar_size < LARGE { 0 } else { record.nar_size });
    records.sort_by(|a, b| (large(a), &a.path).cmp(&(large(b), &b.path)));
    let (large, others) = records.split_at(records.partition_point(|record| record.nar_size >= LARGE));
    let between = others.iter().map(|record| record.nar_size).sum::<u64>() / large.len().max(1) as u64;
    let (mut large, mut order, mut done, mut next) = (large.iter().copied(), Vec::new(), 0, 0);
    for record in others.iter().copied() {
        if done >= next {
            order.extend(large.next());
            next += between;
        }
        done += record.nar_size;
        order.push(record);
    }
    order.extend(large);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_paths_are_spread_among_the_others() {
        let record = |(path, nar_size): (&str, u64)| Record {
            path: path.to_owned(),
            nar_hash: String::new(),
            nar_size,
            deriver: String::new(),
            references: Vec::new(),
        };
        let order = |sizes: &[(&str, u64)]| {
            let records: Vec<Record> = sizes.iter().copied().map(record).collect();
            let order = spread(records.iter().collect());
            order.iter().map(|record| record.path.as_str()).collect::<String>()
        };
        let small = [("e", 1), ("d", 1), ("c", 1), ("b", 1), ("a", 1), ("f", 1)];
        assert_eq!(order(&[]), "");
        assert_eq!(order(&small), "abcdef");
        let large = [("y", LARGE), ("z", LARGE + 1), ("x", LARGE)];
        assert_eq!(order(&large), "zxy");
        assert_eq!(order(&[&small[..], &large].concat()), "zabxcdyef");
        assert_eq!(order(&[&small[..2], &large].concat()), "zdxey");
        assert_eq!(
            order(&[("a", LARGE - 1), ("b", 1), ("c", 0), ("z", LARGE), ("y", LARGE)]),
            "yazbc"
        );
    }
}
