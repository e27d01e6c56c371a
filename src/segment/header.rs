//! What a file says of itself, and whether it may be believed.

use super::Form;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::layout::{self, BYTE_ORDER_MARK, Identity, IdentityPage, MAGIC, PAGE, Region, VERSION};
use crate::npy;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// The attributes of a file, as JSON.
pub(crate) type Attributes = serde_json::Map<String, serde_json::Value>;

/// Reads and checks everything that never changes. The file is `found` bytes long.
pub(crate) fn read_header(name: &str, file: &File, found: u64) -> Result<(Identity, Form, Attributes)> {
    let io = |error| Error::io("read", name, error);
    let foreign = |reason: &str| Error::NotAnArray { path: name.into(), reason: reason.to_owned() };
    let mut page: IdentityPage = bytemuck::Zeroable::zeroed();
    if found < PAGE {
        return Err(foreign(&format!("it is {found} bytes long, and the header alone has {PAGE}")));
    }
    file.read_exact_at(bytemuck::bytes_of_mut(&mut page), 0).map_err(io)?;
    let identity = page.identity;
    if identity.magic != MAGIC || identity.byte_order != BYTE_ORDER_MARK {
        return Err(foreign("it does not begin as one"));
    }
    let unsupported =
        |what, found, expected| Err(Error::UnsupportedFormat { name: name.to_owned(), what, found, expected });
    if identity.version != VERSION {
        return unsupported("version", identity.version, VERSION);
    }
    if page.crc != page.checksum() {
        return Err(Error::corrupt(name, "the checksum of its header is wrong"));
    }
    if identity.flags & !layout::flags::KNOWN != 0 {
        return unsupported("flags", identity.flags, layout::flags::KNOWN);
    }
    if found != identity.file_len {
        return Err(Error::Truncated { name: name.to_owned(), found, expected: identity.file_len });
    }
    let text = |region: Region| {
        let inside = region.off.checked_add(region.len).is_some_and(|end| end <= found);
        if region.len > layout::MAX_TEXT_LEN || !inside {
            return Err(Error::corrupt(name, "its attributes or its .npy header are out of place"));
        }
        let mut bytes = vec![0; region.len as usize];
        file.read_exact_at(&mut bytes, region.off).map_err(io)?;
        Ok(bytes)
    };
    let (preamble, attributes) = (text(identity.preamble)?, text(identity.attributes)?);
    if crc32c::crc32c_append(crc32c::crc32c(&preamble), &attributes) != page.text_crc {
        return Err(Error::corrupt(name, "the checksum of its .npy header is wrong"));
    }
    let attributes: Attributes = if attributes.is_empty() {
        Attributes::new()
    } else {
        serde_json::from_slice(&attributes).map_err(|error| Error::corrupt(name, format!("its attributes: {error}")))?
    };
    let form = read_form(&identity, &preamble, &attributes).map_err(|error| Error::corrupt(name, error.to_string()))?;
    identity.check(form.shape.len() as u32).map_err(|reason| Error::corrupt(name, reason))?;
    if page.reserved != IdentityPage::UNUSED {
        return Err(Error::corrupt(name, "its reserved bytes are not zero"));
    }
    form.check_table().map_err(|reason| Error::corrupt(name, reason))?;
    let most = form.most_blocks();
    if identity.nblocks > most {
        let reason = format!("it has {} blocks, expected at most {most} for shape {:?}", identity.nblocks, form.shape);
        return Err(Error::corrupt(name, reason));
    }
    let expected = if identity.nslots == 1 {
        Some(form.size_bytes()? as u64)
    } else {
        layout::slot_stride(form.size_bytes()? as u64)
    };
    if expected != Some(identity.slot_stride) {
        return Err(Error::corrupt(name, "its slots do not have the size of its shape"));
    }
    Ok((identity, form, attributes))
}

fn read_form(identity: &Identity, preamble: &[u8], attributes: &Attributes) -> Result<Form> {
    let (told, len) = npy::Preamble::parse(preamble)?;
    if len != preamble.len() {
        return Err(Error::InvalidPreamble { reason: format!("it is {len} bytes long, expected {}", preamble.len()) });
    }
    let stride = usize::try_from(identity.slot_stride).unwrap_or(usize::MAX);
    let npy::Preamble { dtype, order, shape } = told.to_frame(identity.nslots as usize, stride)?;
    let dtype = match attributes.get("dtype").and_then(|value| value.as_str()) {
        Some(name) => dtype.with_npy_attribute(name)?,
        None => dtype,
    };
    Ok(Form { kind: Kind::of(identity), dtype, shape, order })
}
