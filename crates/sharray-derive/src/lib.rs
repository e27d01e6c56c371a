//! `#[derive(Element)]` for the crate `sharray`, which re-exports it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Error, Field, Fields, Result, Token, parse_macro_input};

/// Makes a struct an `Element`: its values are the items of arrays of a NumPy structured dtype.
///
/// The struct is `#[repr(C)]` or `#[repr(C, packed)]`, `Copy`, has named fields that are elements themselves, no generics
/// and no padding: other processes see every byte of it, and the bytes of padding have no value. Where the compiler would
/// put padding, add a field: `_padding: [u8; 4]`. The fields' names are those that NumPy sees.
///
/// Also implements `bytemuck`'s `Zeroable` and `Pod`.
///
/// # Examples
/// ```
/// use sharray::{DType, Element};
///
/// #[derive(Clone, Copy, Element)]
/// #[repr(C)]
/// struct Sample {
///     time: f64,
///     value: f32,
///     _padding: [u8; 4],
/// }
///
/// assert_eq!(Sample::dtype().to_string(), "{time: float64, value: float32, _padding: uint8[4]}");
/// ```
///
/// Padding is an error:
/// ```compile_fail,E0080
/// #[derive(Clone, Copy, sharray::Element)]
/// #[repr(C)]
/// struct Sample {
///     time: f64,
///     value: f32,
/// }
/// ```
/// So is a layout that is the compiler's own:
/// ```compile_fail
/// #[derive(Clone, Copy, sharray::Element)]
/// struct Sample {
///     time: f64,
/// }
/// ```
/// A field that is not an element, here `bool`, for which there is `sharray::Bool`:
/// ```compile_fail,E0277
/// #[derive(Clone, Copy, sharray::Element)]
/// #[repr(C)]
/// struct Sample {
///     valid: bool,
/// }
/// ```
/// A struct that is not `Copy`:
/// ```compile_fail,E0277
/// #[derive(sharray::Element)]
/// #[repr(C)]
/// struct Sample {
///     time: f64,
/// }
/// ```
/// Generics, since every type parameter would be another dtype:
/// ```compile_fail
/// #[derive(Clone, Copy, sharray::Element)]
/// #[repr(C)]
/// struct Sample<T> {
///     value: T,
/// }
/// ```
/// Fields without names, no fields, and anything that is not a struct:
/// ```compile_fail
/// #[derive(Clone, Copy, sharray::Element)]
/// #[repr(C)]
/// struct Sample(f64);
/// ```
/// ```compile_fail
/// #[derive(Clone, Copy, sharray::Element)]
/// #[repr(C)]
/// struct Sample {}
/// ```
/// ```compile_fail
/// #[derive(Clone, Copy, sharray::Element)]
/// #[repr(C)]
/// enum Sample {
///     Valid,
/// }
/// ```
#[proc_macro_derive(Element)]
pub fn derive_element(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(Error::new(input.generics.span(), "an element has no generics: its dtype is one"));
    }
    let fields = named_fields(input)?;
    if !is_repr_c(&input.attrs)? {
        return Err(Error::new(input.ident.span(), "an element needs `#[repr(C)]`: other programs read its fields"));
    }
    let name = &input.ident;
    let types = fields.iter().map(|field| &field.ty);
    let described = fields.iter().map(describe);
    let padding = format!(
        "`{name}` has padding, or is zero bytes wide: add explicit padding fields, such as `_padding: [u8; 4]`, \
         or reorder the fields"
    );
    Ok(quote! {
        const _: () = ::core::assert!(
            ::core::mem::size_of::<#name>() == 0 #(+ ::core::mem::size_of::<#types>())*
                && ::core::mem::size_of::<#name>() > 0,
            #padding,
        );

        // SAFETY: each field is `Pod` since it is an `Element`, `dtype` below asks for that; there is no padding.
        unsafe impl ::sharray::__private::bytemuck::Zeroable for #name {}
        unsafe impl ::sharray::__private::bytemuck::Pod for #name {}

        // SAFETY: the compiler says where each field stands, and each field is described by its own type.
        unsafe impl ::sharray::Element for #name {
            fn dtype() -> ::sharray::DType {
                ::sharray::DType::of_rust_struct(
                    ::std::vec![#(#described),*],
                    ::core::mem::size_of::<Self>(),
                )
            }
        }
    })
}

fn named_fields(input: &DeriveInput) -> Result<&Punctuated<Field, Token![,]>> {
    let span = input.ident.span();
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => Ok(&fields.named),
            Fields::Named(_) | Fields::Unit => Err(Error::new(span, "an element has at least one field")),
            Fields::Unnamed(_) => Err(Error::new(span, "the fields of an element need names: NumPy calls them so")),
        },
        Data::Enum(_) | Data::Union(_) => Err(Error::new(span, "an element is a struct: any bytes are a value of it")),
    }
}

fn is_repr_c(attributes: &[Attribute]) -> Result<bool> {
    let mut found = false;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident("C");
            // The number in `packed(2)` or `align(8)`: the compiler has already read it.
            if meta.input.peek(syn::token::Paren) {
                let number;
                syn::parenthesized!(number in meta.input);
                number.parse::<TokenStream>()?;
            }
            Ok(())
        })?;
    }
    Ok(found)
}

/// The description of one field: its name as NumPy has it, what it is, and where it stands.
fn describe(field: &Field) -> TokenStream {
    let ident = field.ident.clone().unwrap_or_else(|| format_ident!("_"));
    let (ty, name) = (&field.ty, ident.unraw().to_string());
    // At the place of the type, so that the error for a type that is no element points there.
    let dtype = quote_spanned!(ty.span()=> <#ty as ::sharray::Element>::dtype());
    quote!(::sharray::Field::new(#name, #dtype, ::core::mem::offset_of!(Self, #ident)))
}
