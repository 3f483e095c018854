//! Files, terminals, mail, chat and what follows them: which module does what.

use crate::classes::Registry;
use crate::services::Loader;
use crate::spec::{applications as spec, browser};

pub(super) fn install(registry: &Registry<'_>, services: &Loader) -> mlua::Result<()> {
    for (func, module) in [
        (&spec::FTP_SERVER, "ftp"),
        (&spec::FTP, "ftp"),
        (&spec::TELNET_SERVER, "terminal"),
        (&spec::TELNET, "terminal"),
        (&spec::SSH_KEY, "terminal"),
        (&spec::SSH_SERVER, "terminal"),
        (&spec::SSH, "terminal"),
        (&spec::MAIL_SERVER, "mail"),
        (&spec::SEND_MAIL, "mail"),
        (&spec::CHAT_SERVER, "chat"),
        (&spec::CHAT, "chat"),
        (&spec::RPC_SERVER, "rpc"),
        (&spec::RPC, "rpc"),
        (&spec::TRANSFER_SERVER, "transfer"),
        (&spec::TRANSFER, "transfer"),
        (&browser::HTML, "browser"),
        (&browser::BROWSER, "browser"),
        (&browser::HTTP_CACHE, "edge"),
        (&browser::PLAY, "video"),
    ] {
        services.add(registry, func, module)?;
    }
    Ok(())
}
