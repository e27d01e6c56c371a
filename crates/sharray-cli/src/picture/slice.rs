//! What of an array is drawn, and as what.

use crate::failure::{Failure, Outcome};
use crate::items::Items;
use crate::text;

/// How many items along each axis the sample of a plane has at most.
const WIDE: usize = 1 << 10;
/// How many the sample of a line has.
const LONG: usize = 1 << 20;

/// As what it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One number.
    Number,
    /// Numbers in a row.
    Line,
    /// A heat map.
    Plane,
    /// Rows of points of 3 or 4 colours.
    Image,
}

/// The part of an array that is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    pub(crate) items: Items,
    pub(crate) form: Form,
    /// Where it is in the array: `[0, 2, :, :]`; nothing, if it is the whole.
    pub(crate) place: Option<String>,
    /// If it is a sample: every how many rows, and columns, of it.
    pub(crate) every: Option<Vec<usize>>,
}

impl Slice {
    /// The slice at `index` along the first axes, and at 0 along those that are still too many.
    pub(crate) fn new(mut items: Items, index: &[usize]) -> Outcome<Self> {
        let shape = items.shape().to_vec();
        if index.len() > shape.len() {
            let reason =
                format!("--index has {} axes, the array has {}: {}", index.len(), shape.len(), text::shape(&shape));
            return Err(Failure::usage(reason));
        }
        let mut taken = Vec::new();
        let is_done = |rest: &[usize], taken: usize| taken >= index.len() && rest.len() <= dimensions_of(rest);
        while !is_done(items.shape(), taken.len()) {
            let at = index.get(taken.len()).copied().unwrap_or(0);
            let len = items.shape()[0];
            // Of an array without items there is nothing to choose.
            if at >= len && len > 0 {
                return Err(Failure::usage(format!("--index is {at} along axis {}, which is {len} long", taken.len())));
            }
            items = items.at(at);
            taken.push(at.to_string());
        }
        let form = match items.shape().len() {
            0 => Form::Number,
            1 => Form::Line,
            2 => Form::Plane,
            _ => Form::Image,
        };
        let rest = items.shape().len();
        let place = (!taken.is_empty())
            .then(|| format!("[{}]", text::list(taken.into_iter().chain(std::iter::repeat_n(":".to_owned(), rest)))));
        Ok(Self { items, form, place, every: None })
    }

    /// A sample of it: to read everything would take too long.
    pub(crate) fn sampled(mut self) -> Self {
        let axes = match self.form {
            Form::Number => return self,
            Form::Line => 1,
            Form::Plane | Form::Image => 2,
        };
        let few = if axes == 1 { LONG } else { WIDE };
        let steps: Vec<usize> = self.items.shape().iter().take(axes).map(|len| len.div_ceil(few).max(1)).collect();
        self.items = self.items.every(&steps);
        self.every = steps.iter().any(|step| *step > 1).then_some(steps);
        self
    }

    pub(crate) fn is_image_of_bytes(&self) -> bool {
        self.form == Form::Image && self.items.are_bytes()
    }
}

/// How many dimensions a picture of this shape has: three, if the last of them can be colours.
fn dimensions_of(shape: &[usize]) -> usize {
    if shape.len() >= 3 && matches!(shape.last(), Some(3 | 4)) { 3 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sharray::{DType, Order};

    fn slice(shape: &[usize], index: &[usize]) -> Outcome<(Form, Option<String>)> {
        let items = Items::new(&DType::U8, shape, Order::C, None)?;
        Slice::new(items, index).map(|slice| (slice.form, slice.place))
    }

    #[test]
    fn what_can_be_drawn_is_drawn_whole() -> Outcome {
        assert_eq!(slice(&[], &[])?, (Form::Number, None));
        assert_eq!(slice(&[5], &[])?, (Form::Line, None));
        assert_eq!(slice(&[5, 4], &[])?, (Form::Plane, None));
        assert_eq!(slice(&[5, 4, 3], &[])?, (Form::Image, None));
        assert_eq!(slice(&[5, 4, 4], &[])?, (Form::Image, None));
        Ok(())
    }

    #[test]
    fn of_the_rest_a_slice_is() -> Outcome {
        assert_eq!(slice(&[5, 4, 7], &[])?, (Form::Plane, Some("[0, :, :]".to_owned())));
        assert_eq!(slice(&[5, 4, 7], &[2])?, (Form::Plane, Some("[2, :, :]".to_owned())));
        assert_eq!(slice(&[5, 4, 7], &[2, 1])?, (Form::Line, Some("[2, 1, :]".to_owned())));
        assert_eq!(slice(&[9, 5, 4, 3], &[8])?, (Form::Image, Some("[8, :, :, :]".to_owned())));
        assert_eq!(slice(&[5], &[4])?, (Form::Number, Some("[4]".to_owned())));
        assert!(slice(&[5], &[5]).is_err());
        Ok(())
    }

    /// Each axis has as many steps as it needs, and what is small is whole.
    #[test]
    fn a_sample_is_small() -> Outcome {
        let sampled = |shape: &[usize]| -> Outcome<(Vec<usize>, Option<Vec<usize>>)> {
            let sample = Slice::new(Items::new(&DType::U8, shape, Order::C, None)?, &[])?.sampled();
            Ok((sample.items.shape().to_vec(), sample.every))
        };
        assert_eq!(sampled(&[5, 1 << 20, 3])?, (vec![5, 1024, 3], Some(vec![1, 1024])));
        assert_eq!(sampled(&[1025, 7])?, (vec![513, 7], Some(vec![2, 1])));
        assert_eq!(sampled(&[1 << 22])?, (vec![1 << 20], Some(vec![4])));
        assert_eq!(sampled(&[100, 100])?, (vec![100, 100], None));
        assert!(slice(&[5], &[0, 0]).is_err());
        Ok(())
    }
}
