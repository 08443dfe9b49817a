//! `byway bot offer`, `find`, `hire` and what belongs to them, and their calls, against a fake node.

use serde_json::{Value, json};

use super::cli::{check_typed, directory_of, failure, json, shown};
use super::fake::Fake;
use super::wire::call;

#[test]
fn what_can_be_typed_about_bots_on_the_market() {
    let bot = "7979797979797979797979797979797979797979";
    let typed = |line: &str| line.replace("BOT", bot);
    check_typed(&[
        ("bot offer keyword --price 0.01", true),
        ("bot offer keyword --price 0.01 --about words --command help --command hours", true),
        ("bot offer keyword", false),
        ("bot offer ../keyword --price 0.01", false),
        ("bot withdraw", true),
        ("bot find", true),
        ("bot find weather", true),
        (&typed("bot hire BOT"), true),
        (&typed("bot hire BOT --limit 0.5 --price-max 0.02"), true),
        ("bot hire Bob", false),
        ("bot hired", true),
        (&typed("bot dismiss BOT"), true),
        ("bot dismiss", false),
        ("bot run --hired --may answer ./bot.py", true),
        ("bot run --hired --in Bob --may answer ./bot.py", false),
        ("bot run --hired --in-all --may answer ./bot.py", false),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bots_are_shown_with_what_they_cost_and_what_goes_wrong_has_a_remedy() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let shown = |arguments: &[&str]| shown(directory, arguments);
    let (bot, other) = ("79".repeat(20), "99".repeat(20));
    let hired = shown(&["bot", "hired"]);
    assert!(
        hired.contains("oracle: 2 answers at 0.01 WAY to 3 messages, 1 wait; 0.02 WAY of 0.02 WAY spent"),
        "{hired}"
    );
    assert!(hired.contains("Offered: keyword at 0.01 WAY an answer"), "{hired}");
    assert!(hired.contains("Hired by 1, who had 4 answers; 0.04 WAY earned"), "{hired}");
    assert!(shown(&["bot", "find"]).contains("Knows the weather. (weather)"));
    assert!(shown(&["bot", "find", "poems"]).contains("No such bot is on the market"));
    let offered = json(directory, &["bot", "offer", "poet", "--price", "0.5", "--command", "rhyme"]);
    assert_eq!((&offered["offer"]["name"], &offered["offer"]["commands"]), (&json!("poet"), &json!(["rhyme"])));
    assert!(shown(&["bot", "dismiss", &bot]).contains("No bot is hired"));
    let none = failure(directory, &["bot", "hire", &other]);
    assert!(none.contains("offers no bot on the market"), "{none}");

    let rows: [(&str, Value, i64, Value); 4] = [
        ("bot_hire", json!({"bot": other}), 1635, json!({"code": "bot_not_found", "bot": other})),
        ("bot_dismiss", json!({"bot": other}), 1636, json!({"code": "bot_not_hired", "bot": other})),
        (
            "bot_hire",
            json!({"bot": bot, "price_max": "0.001"}),
            1637,
            json!({"code": "bot_too_dear", "bot": bot, "price": "0.01"}),
        ),
        ("bot_hire", json!({"bot": bot, "limit": "0"}), 1638, json!({"code": "too_many_bots"})),
    ];
    for (method, params, number, data) in rows {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = call(served.port, &request.to_string()).await;
        assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(number), &data), "{answer}");
    }
}
