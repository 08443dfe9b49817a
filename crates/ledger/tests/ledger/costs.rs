//! The page of prices says what genesis says.

use byway_records::Parameters;
use byway_records::genesis::{CallPrices, NamePrices};

const PAGE: &str = include_str!("../../../../docs/costs.md");

#[test]
fn the_page_of_prices_is_the_standard_genesis() {
    let parameters = Parameters::standard();
    // A price that is new has to be put on the page, too.
    let CallPrices { offer_publish, asset_register, holders_set, name_commit, name_year, channel, gas, other } =
        parameters.call_prices;
    let NamePrices { of_3, of_4, of_5_or_6, of_7_or_more } = name_year;
    let rows = [
        ("publish an offer, or publish it again", offer_publish.to_string()),
        ("register an asset", asset_register.to_string()),
        ("say who holds", holders_set.to_string()),
        ("commit to a name", name_commit.to_string()),
        ("a year of a name of 3 characters", of_3.to_string()),
        ("a year of a name of 4 characters", of_4.to_string()),
        ("a year of a name of 5 or 6 characters", of_5_or_6.to_string()),
        ("a year of a name of 7 characters or more", of_7_or_more.to_string()),
        ("about a channel", channel.to_string()),
        ("a unit of gas that a call names which the ledger executes", gas.to_string()),
        ("every other", other.to_string()),
        ("pledge of a registered identity", parameters.registration_pledge.to_string()),
        ("pledge of a kernel node", parameters.kernel_pledge.to_string()),
        ("of a settled amount, per million", parameters.settlement_fee_ppm.to_string()),
        ("smallest output in WAY", parameters.output_min.to_string()),
    ];
    for (what, price) in rows {
        let row = PAGE.lines().find(|line| line.trim_start_matches('|').trim_start().starts_with(what));
        let shown = row.and_then(|row| row.split('|').nth(2)).map(str::trim);
        assert_eq!(shown, Some(price.as_str()), "docs/costs.md, {what}");
    }
}
