//! `show stat` (management.txt, 9.1): titles first, which say where a column is; quotes only where a text needs them.

use std::collections::HashMap;

/// The rows below the titles, each by the titles asked for. `None`: one of them is not there.
pub(super) fn rows<const N: usize>(text: &str, titles: [&str; N]) -> Option<Vec<[String; N]>> {
    let mut records = records(text.strip_prefix("# ")?).into_iter();
    let columns: HashMap<String, usize> = records.next()?.into_iter().zip(0..).collect();
    let mut wanted = [0; N];
    for (at, title) in wanted.iter_mut().zip(titles) {
        *at = *columns.get(title)?;
    }
    let cut = |record: Vec<String>| wanted.map(|at| record.get(at).cloned().unwrap_or_default());
    Some(records.map(cut).collect())
}

fn records(text: &str) -> Vec<Vec<String>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => record.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                record.push(std::mem::take(&mut field));
                // An empty line ends the answer.
                if record.len() > 1 || !record[0].is_empty() {
                    records.push(std::mem::take(&mut record));
                }
                record.clear();
            }
            c => field.push(c),
        }
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_their_titles() {
        let text = "# a,b,c,\n1,\"say \"\"no\"\", twice\nor more\",3,\n4,,6,\n\n";
        let rows = rows(text, ["c", "b"]).unwrap();
        assert_eq!(rows, [["3".into(), "say \"no\", twice\nor more".into()], ["6".into(), String::new()]]);
        assert_eq!(super::rows(text, ["d"]), None);
        assert_eq!(super::rows("Unknown command\n", ["a"]), None);
    }
}
