//! What a hostile or broken provider, or whoever stands before it, can send: it is refused and told, no token
//! goes to whom can't prove its name, and nobody else notices.
