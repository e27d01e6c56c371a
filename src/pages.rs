//! The project's pages: to learn, to do, to look up, to understand. What each call promises is told where the call is.

macro_rules! pages {
    ($($name:ident)*) => {
        $(
            #[doc = include_str!("pages/links.md")]
            #[doc = include_str!(concat!("../docs/", stringify!($name), ".md"))]
            pub mod $name {}
        )*
        #[doc = include_str!("pages/links.md")]
        #[doc = include_str!("../ARCHITECTURE.md")]
        pub mod architecture {}
        #[doc = include_str!("pages/links.md")]
        #[doc = include_str!("../CONTRIBUTING.md")]
        pub mod contributing {}
        #[doc = include_str!("../CHANGELOG.md")]
        pub mod changelog {}
    };
}

pages! {
    first_steps_rust
    first_steps_python
    lesson
    streams
    arrays
    cells
    tables
    simulations
    memmap
    processes
    command
    python
    from_memmap
    from_shared_memory
    from_sharedarray
    from_imagestreamio
    format
    comparison
    benchmarks
    reliability
    protocol
    decisions
}
