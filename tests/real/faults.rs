//! Every journey under every fault of the network between Gatepost and its servers.

mod lines;
