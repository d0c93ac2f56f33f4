//! Which group is a pool's. Pure.

use std::collections::BTreeMap;

use roundhouse_config::Label;

/// Its value is the pool.
pub(super) const TAG: &str = "roundhouse-pool";

/// A target group as AWS lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) arn: String,
    pub(super) name: String,
    /// Its target type: the others take no addresses.
    pub(super) is_ip: bool,
    /// Of [`TAG`].
    pub(super) tag: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directory(BTreeMap<Label, Place>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// By its ARN.
    Group(String),
    /// Something is there that will not do: why.
    Unfit(String),
}

impl Directory {
    /// A tag is put on purpose and a name may be chance, so one that is tagged goes before one that is named so, and is not
    /// taken by its name too.
    pub(super) fn of(groups: &[Listed]) -> Directory {
        let mut places = BTreeMap::new();
        let (tagged, named): (Vec<_>, Vec<_>) = groups.iter().partition(|group| group.tag.is_some());
        for group in named {
            if let Ok(pool) = group.name.parse() {
                places.insert(pool, Place::of(group));
            }
        }
        let mut by_tag: BTreeMap<Label, Vec<&Listed>> = BTreeMap::new();
        for group in tagged {
            if let Some(pool) = group.tag.as_ref().and_then(|tag| tag.parse().ok()) {
                by_tag.entry(pool).or_default().push(group);
            }
        }
        for (pool, groups) in by_tag {
            let place = match groups.as_slice() {
                [group] => Place::of(group),
                several => {
                    let names: Vec<&str> = several.iter().map(|group| group.name.as_str()).collect();
                    Place::Unfit(format!(
                        "the target groups {} all have the tag {TAG}={pool}; leave it on one",
                        names.join(", ")
                    ))
                }
            };
            places.insert(pool, place);
        }
        Directory(places)
    }

    /// The ARN, or why there is none and what to do.
    pub(super) fn find(&self, pool: &Label) -> Result<&str, String> {
        match self.0.get(pool) {
            Some(Place::Group(arn)) => Ok(arn),
            Some(Place::Unfit(why)) => Err(why.clone()),
            None => Err(format!(
                "there is no target group `{pool}` in this account and region; create one of target type `ip` with that \
                 name, or with the tag {TAG}={pool}, and with the pool's protocol and port"
            )),
        }
    }

    /// Those that will do, by their pool.
    pub(super) fn groups(&self) -> BTreeMap<Label, String> {
        let group = |(pool, place): (&Label, &Place)| match place {
            Place::Group(arn) => Some((pool.clone(), arn.clone())),
            Place::Unfit(_) => None,
        };
        self.0.iter().filter_map(group).collect()
    }
}

impl Place {
    fn of(group: &Listed) -> Place {
        match group.is_ip {
            true => Place::Group(group.arn.clone()),
            false => Place::Unfit(format!(
                "the target group `{}` takes no addresses; create one of target type `ip` in its place",
                group.name
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, is_ip: bool, tag: Option<&str>) -> Listed {
        Listed { arn: format!("arn:{name}"), name: name.into(), is_ip, tag: tag.map(Into::into) }
    }

    fn found(groups: &[Listed], pool: &str) -> Result<String, String> {
        Directory::of(groups).find(&pool.parse().unwrap()).map(Into::into)
    }

    #[test]
    fn a_tag_goes_before_a_name() {
        let groups = [
            group("blog", true, None),
            group("Blog-v2", true, Some("blog")),
            group("shop", true, Some("cart")),
            group("mail", true, None),
        ];
        assert_eq!(found(&groups, "blog").unwrap(), "arn:Blog-v2");
        assert_eq!(found(&groups, "cart").unwrap(), "arn:shop");
        assert_eq!(found(&groups, "mail").unwrap(), "arn:mail");
        assert!(found(&groups, "shop").is_err(), "it is said to be another's");
        let pools: Vec<Label> = Directory::of(&groups).groups().into_keys().collect();
        assert_eq!(pools, ["blog", "cart", "mail"].map(|pool| pool.parse().unwrap()));
    }

    #[test]
    fn what_will_not_do_says_what_to_do() {
        let groups =
            [group("old", false, None), group("one", true, Some("blog")), group("two", true, Some("blog"))];
        for (pool, said) in [
            ("old", "of target type `ip`"),
            ("blog", "one, two all have the tag roundhouse-pool=blog; leave it on one"),
            ("new", "create one of target type `ip` with that name"),
        ] {
            let error = found(&groups, pool).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert_eq!(Directory::of(&groups).groups(), BTreeMap::new());
    }
}
