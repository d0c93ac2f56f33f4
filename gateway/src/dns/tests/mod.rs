mod bytes;
mod lines;
mod message;
mod names;
mod serving;
