//! `byway chat group`.

use clap::{Subcommand, ValueEnum};

/// Conversations of more than two
#[derive(Debug, Subcommand)]
pub enum ChatGroupCommand {
    /// Found a group, and add contacts to it
    Create {
        /// What it is called
        #[arg(value_name = "NAME")]
        title: String,
        /// Contacts, by name or identity
        #[arg(value_name = "CONTACT")]
        with: Vec<String>,
    },
    /// Add contacts: at once, or as soon as their nodes have given keys for it
    Add {
        #[arg(value_name = "GROUP")]
        group: String,
        #[arg(value_name = "CONTACT", required = true)]
        who: Vec<String>,
    },
    /// Remove people; they read nothing that is said from then on
    Remove {
        #[arg(value_name = "GROUP")]
        group: String,
        /// By name where they are contacts, by identity otherwise
        #[arg(value_name = "PERSON", required = true)]
        who: Vec<String>,
    },
    /// Leave a group
    Leave {
        #[arg(value_name = "GROUP")]
        group: String,
    },
    /// Who is in a group, and what they are in it
    Members {
        #[arg(value_name = "GROUP")]
        group: String,
    },
    /// Call a group otherwise, for all in it
    Rename {
        #[arg(value_name = "GROUP")]
        group: String,
        #[arg(value_name = "NAME")]
        title: String,
    },
    /// Make somebody an admin, or a member again; the founder does that
    Role {
        #[arg(value_name = "GROUP")]
        group: String,
        #[arg(value_name = "PERSON")]
        who: String,
        #[arg(value_name = "ROLE")]
        role: GivenRole,
    },
}

/// A role that is given and taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GivenRole {
    Admin,
    Member,
}
