//! What several programs need of the libraries that sharray is compared with.

use crate::Outcome;
use iceoryx2::config::Config;
use iceoryx2::prelude::{
    FileName, LogLevel, NodeBuilder, SemanticString, ServiceName, SignalHandlingMode, ipc, set_log_level,
};
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// iceoryx2 between processes.
pub type Iceoryx = ipc::Service;

/// A node of iceoryx2.
pub type Node = iceoryx2::prelude::Node<Iceoryx>;

/// How long mmap-sync's writer waits for readers before it writes over what they read: longer than any sample takes.
pub const GRACE: Duration = Duration::from_secs(60);

/// A node of iceoryx2 that says nothing and leaves signals alone. Its files are in the folder, and what has to be beside it
/// is called as the folder is.
///
/// # Errors
/// iceoryx2's.
pub fn node(folder: &Path) -> Outcome<Node> {
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    let root = folder.join("iceoryx2");
    config.global.set_root_path(&iceoryx2::prelude::Path::new(root.as_os_str().as_bytes())?);
    config.global.prefix = FileName::new(folder.file_name().unwrap_or_default().as_bytes())?;
    let builder = NodeBuilder::new().config(&config).signal_handling_mode(SignalHandlingMode::Disabled);
    Ok(builder.create::<Iceoryx>()?)
}

/// The name of a service of iceoryx2.
///
/// # Errors
/// If it is none.
pub fn service(name: &str) -> Outcome<ServiceName> {
    Ok(ServiceName::new(name)?)
}

/// Publish-subscribe of messages of 64 bytes as in iceoryx2's own benchmark: one of each side, no history, a buffer for
/// one message.
///
/// # Errors
/// iceoryx2's.
pub fn messages(node: &Node, name: &str) -> Outcome<PortFactory<Iceoryx, [u64; 8], ()>> {
    let builder = node.service_builder(&service(name)?).publish_subscribe::<[u64; 8]>();
    let builder = builder.max_publishers(1).max_subscribers(1).history_size(0).subscriber_max_buffer_size(1);
    Ok(builder.enable_safe_overflow(true).open_or_create()?)
}
