//! Composes L2 to L4 into hosts, switches and routers.
