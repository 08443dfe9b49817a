//! What is in a message, before it is sealed and after it is opened.
