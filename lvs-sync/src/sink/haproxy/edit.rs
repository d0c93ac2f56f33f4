//! An operation in the fragment, which is where it is seen whether it fits.

use super::fragment::{Fragment, Section};
use super::shape::{self, Shape};
use crate::model::Op;
use crate::sink::{OpError, Unfit};

/// Does it, or changes nothing.
pub(super) fn edit(fragment: &mut Fragment, op: &Op) -> Result<(), OpError> {
    let key = op.service();
    if let Op::AddService(_, settings) = op {
        let vip = shape::vip(key).map_err(unfit)?;
        let section = Section::new(vip, Shape::of(settings).map_err(unfit)?);
        if fragment.sections.contains_key(key) {
            return Err(OpError::Exists);
        }
        fragment.sections.insert(key.clone(), section);
        return Ok(());
    }
    let section = fragment.sections.get_mut(key).ok_or(OpError::Gone)?;
    match op {
        Op::SetService(_, settings) => section.reshape(Shape::of(settings).map_err(unfit)?),
        Op::AddDestination(_, address, destination) => {
            let weight = shape::told(*address, *destination).map_err(unfit)?;
            if section.servers.contains_key(address) {
                return Err(OpError::Exists);
            }
            section.add(*address, weight);
        }
        Op::SetDestination(_, address, destination) => {
            let weight = shape::told(*address, *destination).map_err(unfit)?;
            section.servers.get_mut(address).ok_or(OpError::Gone)?.weight = weight;
        }
        Op::RemoveDestination(_, address) => {
            section.servers.remove(address).ok_or(OpError::Gone)?;
        }
        Op::RemoveService(_) | Op::AddService(..) => {
            fragment.sections.remove(key);
        }
    }
    Ok(())
}

fn unfit(unfit: Unfit) -> OpError {
    OpError::Refused(unfit.0)
}
