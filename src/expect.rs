//! What a caller expects of an array, against what it is.

use crate::dtype::DType;
use crate::element::Element;
use crate::error::{Error, Result};
use crate::kind::Kind;
use crate::layout::LINE;
use crate::segment::Form;
use ndarray::Dimension;

fn mismatch(name: &str, expected: String, found: &Form) -> Error {
    Error::Mismatch { name: name.to_owned(), expected, found: found.describe() }
}

/// Refuses an array of another kind.
pub(crate) fn check_kind(name: &str, found: &Form, kind: Kind) -> Result<()> {
    if found.kind == kind { Ok(()) } else { Err(mismatch(name, kind.to_string(), found)) }
}

/// Refuses an array that is not of this very form. The order of what has one dimension does not matter.
pub(crate) fn check_form(name: &str, found: &Form, expected: &Form) -> Result<()> {
    let is_same = found.kind == expected.kind
        && found.dtype == expected.dtype
        && found.shape == expected.shape
        && (found.order == expected.order || expected.shape.len() <= 1);
    if is_same { Ok(()) } else { Err(mismatch(name, expected.describe(), found)) }
}

/// Refuses a table whose rows are not of this form, however many it has room for.
pub(crate) fn check_table(name: &str, found: &Form, expected: &Form) -> Result<()> {
    let is_same = found.kind == expected.kind
        && found.dtype == expected.dtype
        && found.shape.len() == expected.shape.len()
        && found.shape.get(1..) == expected.shape.get(1..);
    if is_same { Ok(()) } else { Err(mismatch(name, expected.describe(), found)) }
}

/// Refuses a handle to an array that is not one of `T` with the dimensions of `D`.
pub(crate) fn check_item<T: Element, D: Dimension>(name: &str, found: &Form, kind: Kind) -> Result<()> {
    check_kind(name, found, kind)?;
    check_alignment::<T>()?;
    if found.dtype == T::dtype() && D::NDIM.is_none_or(|ndim| ndim == found.shape.len()) {
        return Ok(());
    }
    let dimensions = D::NDIM.map_or_else(|| "any number of dimensions".to_owned(), |ndim| format!("{ndim} dimensions"));
    Err(mismatch(name, format!("{kind} of {} with {dimensions}", T::dtype()), found))
}

/// Refuses items that payloads, which start on lines of 128 bytes, cannot be borrowed as.
pub(crate) fn check_alignment<T: Element>() -> Result<()> {
    if align_of::<T>() as u64 <= LINE {
        return Ok(());
    }
    let reason = format!("its Rust type is aligned to {} bytes, expected at most {LINE}", align_of::<T>());
    Err(Error::UnsupportedDtype { dtype: T::dtype().to_string(), reason })
}

/// Refuses a dtype that can only be a field.
pub(crate) fn check_dtype(dtype: &DType) -> Result<()> {
    if !dtype.is_subarray() {
        return Ok(());
    }
    let reason = "a sub-array can only be a field; give the shape another dimension instead".to_owned();
    Err(Error::UnsupportedDtype { dtype: dtype.to_string(), reason })
}
