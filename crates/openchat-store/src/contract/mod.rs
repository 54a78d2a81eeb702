//! The rules of [`Store`](crate::Store), as tests that every implementation passes.
//!
//! `store_contract!(make)` makes one test of each rule. `make` is a function that gives an empty store, and whatever
//! has to live as long as it, as a [`Fixture`].

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "these are tests")]

pub mod account;
pub mod device;
pub mod group;
pub mod invite;
pub mod key_log;
pub mod key_package;
pub mod log_order;
pub mod log_rules;
pub mod lost;
pub mod membership;
pub mod removal;
pub mod reset;
pub mod room;
pub mod sweep;
pub mod welcome;
mod world;

use std::any::Any;
use std::sync::Arc;

pub use world::{World, acknowledged_records_are_there, many_authors_at_once};

use crate::Store;

/// An empty store, and what has to live as long as it (its folder, say).
#[expect(missing_debug_implementations, reason = "neither part has anything to show")]
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Dropped after the test.
    pub keep: Box<dyn Any + Send>,
}

/// Makes one test of each rule; the argument is a `fn() -> Fixture`.
#[macro_export]
macro_rules! store_contract {
    ($make:path) => {
        $crate::store_contract!(@rules $make;
            account: an_account_is_found_by_uid_and_by_name;
            account: a_name_and_its_look_alikes_are_taken_once;
            account: a_key_makes_one_account;
            account: a_disabled_account_shows_at_its_devices;
            account: accounts_are_listed_by_name_and_counted;
            account: a_certificate_is_renewed_with_its_leaf;
            invite: an_invite_makes_as_many_accounts_as_it_says;
            invite: unknown_and_expired_invites_are_refused;
            invite: a_refused_registration_uses_no_invite;
            invite: one_of_a_hundred_redeems_a_single_use_invite;
            invite: open_invites_of_a_user_are_limited;
            invite: an_invite_is_made_once;
            invite: an_old_invite_is_forgotten;
            device: a_device_is_enrolled_and_renewed;
            device: a_device_keeps_its_key;
            device: a_revoked_device_stays_revoked;
            device: devices_of_a_user_are_limited;
            device: last_seen_never_goes_back;
            key_log: an_account_comes_with_its_leaves;
            key_log: the_log_is_a_tree_with_proofs;
            key_log: the_log_is_read_in_pages;
            key_log: the_last_event_of_the_authority_is_found;
            key_log: leaves_of_a_label_are_a_chain;
            key_log: versions_of_a_device_list_only_grow;
            key_log: a_device_comes_with_its_list;
            key_log: a_device_that_is_listed_no_more_is_revoked;
            key_log: an_erased_label_leaves_the_tree_as_it_is;
            reset: a_name_goes_to_who_has_asked_when_the_time_has_passed;
            reset: who_objects_stops_it_until_an_administrator_decides;
            reset: what_was_there_before_under_a_label_is_proven;
            room: a_creator_is_the_member_of_its_room;
            room: a_room_is_made_once;
            room: a_room_name_and_its_look_alikes_are_taken_once;
            room: the_name_of_a_room_without_members_is_free;
            room: a_room_is_listed_for_seven_days_after_its_last_member;
            room: the_list_counts_users_and_shows_the_most_active_first;
            room: private_rooms_are_hidden_from_strangers;
            room: rooms_of_a_user_are_limited;
            log_order: sequences_have_no_gaps_and_the_chain_holds;
            log_order: time_never_goes_back;
            log_order: eight_authors_make_one_order;
            log_order: the_same_message_is_stored_once;
            log_order: a_message_is_known_again_after_its_author_left;
            log_order: a_stale_base_changes_nothing;
            log_order: pages_end_at_their_limits;
            log_rules: strangers_are_refused;
            log_rules: anybody_joins_a_room_with_a_name;
            log_rules: only_devices_of_members_join_a_private_room;
            log_rules: unknown_devices_are_not_added;
            log_rules: devices_of_a_room_are_limited;
            membership: a_joiner_reads_nothing_from_before;
            membership: who_left_reads_nothing_after;
            membership: who_comes_back_reads_both_stretches_only;
            membership: a_device_that_rejoins_stays_a_member;
            membership: a_member_is_not_added_anew;
            group: a_commit_replaces_the_group;
            group: a_commit_for_another_tree_is_refused;
            group: who_doubts_the_last_author_gets_no_group_but_helpers;
            removal: an_administrator_removes_anybody;
            removal: two_who_work_together_remove_nobody;
            removal: administrators_hand_over;
            removal: own_devices_go_at_once;
            removal: who_is_removed_and_added_by_one_commit_stays;
            key_package: packages_are_counted_and_limited;
            key_package: the_last_resort_is_given_when_all_others_are_gone;
            key_package: packages_of_one_device_are_claimed_alone;
            key_package: concurrent_claims_never_share_a_package;
            key_package: each_suite_has_packages_of_its_own;
            key_package: suites_of_a_device_are_limited;
            key_package: revoked_devices_have_no_packages;
            welcome: welcomes_wait_in_order_until_acknowledged;
            welcome: who_did_not_come_in_is_no_member;
            welcome: a_late_refusal_ends_no_other_membership;
            welcome: a_revoked_device_has_no_welcomes;
            lost: records_are_taken_back_as_they_were;
            lost: a_room_goes_on_from_what_was_taken_back;
            lost: what_was_not_in_the_log_is_not_taken;
            lost: leaves_are_taken_back_up_to_a_signed_head;
            lost: an_account_is_taken_back_by_the_log;
            sweep: a_welcome_is_forgotten_after_its_life;
            sweep: a_room_that_everybody_left_is_forgotten_after_its_time;
            sweep: a_room_with_members_stays_however_quiet;
            sweep: rooms_that_were_left_count_until_they_are_swept;
        );
    };
    (@rules $make:path; $($topic:ident : $rule:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                let fixture = $make();
                $crate::contract::$topic::$rule(&$crate::contract::World::new(fixture.store.clone())).await;
            }
        )*
    };
}
