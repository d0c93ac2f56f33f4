mod bytes;
mod message;
mod names;
mod serving;
