use std::path::PathBuf;

use approx::assert_relative_eq;

use super::*;
use dispersion::{index_of_dispersion, interarrival_cv, length_correlation};

/// The text of a recorded trace that is not part of the project; none, with a message, where it is not at hand.
fn recorded(name: &str) -> Option<String> {
    let shared = std::env::var_os("FLUIDSIM_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let text = std::fs::read_to_string(shared.join("data/traces").join(name)).ok();
    if text.is_none() {
        eprintln!("skipped: the recorded trace {name} is not at hand");
    }
    text
}

fn means(trace: &Trace) -> (f64, f64) {
    let n = trace.len() as f64;
    let prompts: u64 = trace.iter().map(|request| request.prompt).sum();
    let outputs: u64 = trace.iter().map(|request| request.output).sum();
    (prompts as f64 / n, outputs as f64 / n)
}

#[test]
fn azure_conversation_has_its_published_figures() {
    let Some(text) = recorded("azure-2023-conversation.csv") else { return };
    let trace = read("azure", &text).unwrap();
    assert_eq!((trace.import.format, trace.len()), (Some(Format::Azure), 19_366));
    assert_eq!(trace.import.said(), [""; 0]);
    assert_eq!(trace.get(1).unwrap().arrival, Time::parse_seconds("4.3145790").unwrap());
    assert_relative_eq!(trace.rate_per_s(), 5.53, max_relative = 0.002);
    assert_relative_eq!(means(&trace).0, 1154.7, max_relative = 1e-4);
    assert_relative_eq!(means(&trace).1, 211.1, max_relative = 1e-3);
    assert_relative_eq!(interarrival_cv(&trace).unwrap(), 1.09, max_relative = 0.01);
    assert_relative_eq!(index_of_dispersion(&trace, 10.0).unwrap(), 3.9, max_relative = 0.03);
    assert_relative_eq!(index_of_dispersion(&trace, 300.0).unwrap(), 56.0, max_relative = 0.05);
    assert_relative_eq!(length_correlation(&trace).unwrap(), -0.11, epsilon = 0.01);
}

#[test]
fn azure_code_without_a_final_newline() {
    let Some(text) = recorded("azure-2023-code.csv") else { return };
    let trace = read("azure", &text).unwrap();
    assert_eq!(trace.len(), 8_819);
    assert_relative_eq!(interarrival_cv(&trace).unwrap(), 13.15, max_relative = 0.01);
}

#[test]
fn vidur_has_the_same_requests_as_azure() {
    let (Some(vidur), Some(azure)) =
        (recorded("vidur-splitwise-conversation.csv"), recorded("azure-2023-conversation.csv"))
    else {
        return;
    };
    let (vidur, azure) = (read("vidur", &vidur).unwrap(), read("azure", &azure).unwrap());
    assert_eq!(vidur.len(), azure.len());
    for (left, right) in vidur.iter().zip(&azure) {
        assert_eq!((left.prompt, left.output), (right.prompt, right.output));
        assert!((left.arrival.seconds() - right.arrival.seconds()).abs() < 1e-6);
    }
}

#[test]
fn mooncake_batches_are_spread_and_its_poisson_trace_is_not() {
    let Some(text) = recorded("mooncake-conversation.jsonl") else { return };
    let trace = read("mooncake", &text).unwrap();
    assert_eq!(trace.len(), 12_031);
    assert_relative_eq!(trace.import.spread_over.unwrap().seconds(), 3.0, max_relative = 0.001);
    assert_relative_eq!(means(&trace).0, 12_035.0, max_relative = 1e-4);
    assert!(interarrival_cv(&trace).unwrap() < 0.6);
    let Some(text) = recorded("mooncake-synthetic.jsonl") else { return };
    let trace = read("mooncake", &text).unwrap();
    assert_eq!((trace.len(), trace.import.spread_over), (3_993, None));
    assert_relative_eq!(interarrival_cv(&trace).unwrap(), 1.01, max_relative = 0.01);
}

#[test]
fn all_formats_say_the_same() {
    let texts = [
        "arrival_time,prefill_length,decode_length\n0,10,3\n0.25,20,4\n1.5,30,5\n",
        "decode_length, prefill_length ,user,arrival_time\r\n3,10,a,0\r\n4,20,b,25e-2\r\n5,30,c,1.50",
        "\u{feff}TIMESTAMP,ContextTokens,GeneratedTokens\n2023-12-31 23:59:59,10,3\n\
         2023-12-31T23:59:59.2500000Z,20.0,4\n2024-01-01 00:00:00.5+00:00,30,5\n",
        "arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,10,3\n0.25,20,4\n\n1.5,30,5\n\n",
        "{\"timestamp\": 0, \"input_length\": 10, \"output_length\": 3, \"user\": [1]}\r\n\
         {\"timestamp\": 250, \"input_length\": 20, \"output_length\": 4}\r\n\r\n\
         {\"output_length\": 5, \"timestamp\": 1500, \"input_length\": 30}",
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n5,ChatGPT,10,3,13,Conversation log\n\
         5.25,GPT-4,20,4,24,API log\r\n6.5,ChatGPT,30,5,35,API log\r",
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
         19440110.0,ab-1,2.5,ChatGPT,10,3,13,Conversation log\n19440110.25,,1.25,GPT-4,20,4,24,API log\n\
         19440111.50,,1,ChatGPT,30,5,35,API log",
        "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n\
         0,2,0,7.5,1,10,3\n1,2,0,7.75,1,20,4\n2,2,0,9,1,30,5\n",
        "{\"request_id\": \"a\", \"input_toks\": 10, \"output_toks\": 3, \"arrival_time\": 1787267980.5, \"queued_ts\": 1.5}\n\
         {\"request_id\": \"b\", \"input_toks\": 20, \"output_toks\": 4, \"arrival_time\": 1787267980.75}\n\
         {\"request_id\": \"c\", \"input_toks\": 30, \"output_toks\": 5, \"arrival_time\": 1787267982.0}\n",
        "{\"input_toks\": 10, \"output_toks\": 3, \"arrival_time_ns\": 0, \"input_tok_ids\": [1, 2, 3]}\r\
         {\"input_toks\": 20, \"output_toks\": 4, \"arrival_time_ns\": 250000000}\r\
         {\"input_toks\": 30, \"output_toks\": 5, \"arrival_time_ns\": 1500000000, \"output_tok_ids\": [4]}",
    ];
    let requests = |text: &&str| read("test", text).unwrap().iter().collect::<Vec<_>>();
    let all: Vec<Vec<TraceRequest>> = texts.iter().map(requests).collect();
    for (text, requests) in texts.iter().zip(&all) {
        assert_eq!(requests, &all[0], "{text}");
    }
    assert_eq!(
        all[0][2],
        TraceRequest { arrival: Time(1_500_000_000_000_000_000), prompt: 30, output: 5, ..TraceRequest::default() }
    );
}

#[test]
fn what_is_written_is_read_again() {
    let arrivals = ["0.000000000000000001", "0.1", "2", "12345678.000000000000000009"];
    let requests = arrivals.iter().zip(1..).map(|(time, n)| TraceRequest {
        arrival: Time::parse_seconds(time).unwrap(),
        prompt: n,
        output: 2 * n,
        ..TraceRequest::default()
    });
    let trace = Trace::of(requests);
    let text = own::to_csv(&trace);
    assert!(text.contains("\n0.1,2,4\n2,3,6\n"), "{text}");
    assert!(read("test", &text).unwrap().iter().eq(trace.iter()));
}

#[test]
fn the_samples_are_read() {
    for (name, format) in [
        ("own.csv", Format::Own),
        ("azure.csv", Format::Azure),
        ("vidur.csv", Format::Vidur),
        ("mooncake.jsonl", Format::Mooncake),
        ("burstgpt.csv", Format::BurstGpt),
        ("splitwise.csv", Format::Splitwise),
        ("requests.jsonl", Format::RequestLog),
        ("lengths.jsonl", Format::Lengths),
    ] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("models/traces").join(name);
        let trace = open(path.to_str().unwrap()).unwrap();
        assert_eq!(trace.import.format, Some(format));
        assert!(trace.len() >= 24);
    }
}

/// What is done to a file is counted and said.
#[test]
fn repairs_are_counted_and_said() {
    let own = "arrival_time,prefill_length,decode_length\n";
    let cases = [
        (format!("{own}0,1,1\n1,1,0\n2,1,2\n3,1,0"), "0 1/1, 2 1/2", "2 requests without output dropped"),
        (format!("{own}0,0,1\n1,1,1\n2,1,2\n"), "1 1/1, 2 1/2", "1 request without prompt dropped"),
        (format!("{own}5,1,1\n3,2,1\n3,3,1\n5,4,1\n4,5,1\n9,6,1\n"), "3 2/1, 3 3/1, 4 5/1, 5 1/1, 5 4/1, 9 6/1", "3 requests put in order"),
        (format!("{own}5,1,1\n3,0,1\n"), "", ""),
        ("{\"prompt_len\": 3, \"output_len\": 4}\n{\"prompt_len\": 5, \"output_len\": 6}\n".into(), "0 3/4, 0 5/6", "no arrival times in the file"),
        ("{\"input_toks\": 3, \"output_toks\": 4}\n{\"input_toks\": 5, \"output_toks\": 0}\n{\"input_toks\": 5, \"output_toks\": 6}".into(), "0 3/4, 0 5/6", "1 request without output"),
        ("{\"arrival_time\": 1.7e9, \"input_toks\": 3, \"output_toks\": 4}\n{\"arrival_time\": 1699999999.5, \"input_toks\": 5, \"output_toks\": 6}\n".into(), "0 5/6, 0.5 3/4", "1 request put in order"),
    ];
    for (text, wanted, said) in cases {
        let Ok(trace) = read("test", &text) else {
            assert_eq!(wanted, "", "{text}");
            continue;
        };
        let show = |r: TraceRequest| format!("{} {}/{}", r.arrival.to_decimal(), r.prompt, r.output);
        assert_eq!(trace.iter().map(show).collect::<Vec<_>>().join(", "), wanted, "{text}");
        assert!(trace.import.said().join(", ").contains(said), "{:?} lacks {said}", trace.import);
    }
}

#[test]
fn classes_weights_and_models_are_kept() {
    let text = "arrival_time,prefill_length,decode_length,class,weight,model\n\
        0,1,1,chat,2,\n1,2,1,\"code, long\",0.5,llama\n2,3,1,chat,2,\n3,4,1,chat,3,\n4,5,1,,,\n";
    let trace = read("test", text).unwrap();
    let classes: Vec<_> =
        trace.classes().iter().map(|c| (c.name.as_str(), c.weight, c.model.as_deref(), c.count)).collect();
    assert_eq!(
        classes,
        [
            ("chat w=2", 2.0, None, 2),
            ("code, long", 0.5, Some("llama"), 1),
            ("chat w=3", 3.0, None, 1),
            ("trace", 1.0, None, 1)
        ]
    );
    assert_eq!(trace.iter().map(|request| request.class).collect::<Vec<_>>(), [0, 1, 0, 2, 3]);
    let again = read("test", &own::to_csv(&trace)).unwrap();
    assert_eq!((again.classes(), again.iter().eq(trace.iter())), (trace.classes(), true));
}

/// However the lines end and whatever stands around them, the requests are the same.
#[test]
fn the_form_of_the_text_does_not_matter() {
    let plain = "arrival_time,prefill_length,decode_length\n0,1,2\n1,3,4\n2,5,6\n";
    let wanted = read("test", plain).unwrap();
    let forms = [
        plain.trim_end().to_owned(),
        plain.replace('\n', "\r\n"),
        plain.replace('\n', "\r"),
        plain.replacen('\n', "\r\n", 2),
        format!("\u{feff}{plain}"),
        format!("\n\n{}\n\n", plain.replace('\n', "\n  \n")),
        plain.replace('1', "\"1\"").replace(',', " , "),
        plain.replace("1,3", "1,3.0").to_uppercase(),
    ];
    for form in forms {
        let trace = read("test", &form).unwrap_or_else(|error| panic!("{form:?}: {error}"));
        assert!(trace.iter().eq(wanted.iter()) && trace.import == wanted.import, "{form:?}");
    }
}

/// Every text with what the message must name.
#[test]
fn broken_traces_are_refused_with_place_and_remedy() {
    let own = "arrival_time,prefill_length,decode_length\n";
    let azure = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
    let json = "{\"timestamp\": 0, \"input_length\": 5, \"output_length\": 2}\n";
    let cases: Vec<(String, Vec<&str>)> = vec![
        (String::new(), vec!["empty", "one of the formats"]),
        (" \n\n".into(), vec!["empty", "arrived_at"]),
        (own.into(), vec!["no requests"]),
        (format!("{own}0,1,1\n"), vec!["`1` request", "two requests"]),
        (
            "arrival_time,prefill_length\n0,1\n".into(),
            vec!["line 1", "`decode_length`", "`arrival_time,prefill_length`"],
        ),
        (
            "arrived_at,num_prefill_tokens,tokens\n".into(),
            vec!["`num_decode_tokens`", "arrived_at,num_prefill_tokens,tokens"],
        ),
        ("a,b,c\n1,2,3\n".into(), vec!["line 1", "`a,b,c`", "Mooncake"]),
        ("0,1,1\n1,1,1\n".into(), vec!["no header", "arrival_time"]),
        (format!("{own}0,1,1\n1,x,1\n"), vec!["line 3.prefill_length", "`x`", "whole number"]),
        (format!("{own}0,1,1\n1,1,\n"), vec!["line 3.decode_length", "``"]),
        (format!("{own}0,1,1\nnan,1,1\n"), vec!["line 3.arrival_time", "`nan`", "seconds"]),
        (format!("{own}0,1,1\ninf,1,1\n"), vec!["line 3.arrival_time", "`inf`"]),
        (format!("{own}-1,1,1\n1,1,1\n"), vec!["line 2.arrival_time", "`-1` s", "subtract"]),
        (format!("{own}0,-1,1\n1,1,1\n"), vec!["line 2.prefill_length", "`-1`"]),
        (
            format!("{own}0,0,1\n1,1,1\n"),
            vec!["line 4", "only `1` requests with a prompt and an output, and `1` without"],
        ),
        (format!("{own}0,1,0\n1,1,0\n"), vec!["line 4", "only `0`"]),
        (format!("{own}0,1.5,1\n1,1,1\n"), vec!["line 2.prefill_length", "`1.5`"]),
        (format!("{own}0,99999999999,1\n1,1,1\n"), vec!["line 2.prefill_length", "10000000"]),
        (format!("{own}0,99999999999999999999999,1\n"), vec!["line 2.prefill_length"]),
        (format!("{own}1700000000,1,1\n1700000001,1,1\n"), vec!["line 2.arrival_time", "31 years", "subtract"]),
        (format!("{own}0,1,1\n1,1\n"), vec!["line 3", "`2` values", "`3`"]),
        (format!("{azure}12.5,1,1\n"), vec!["line 2.TIMESTAMP", "`12.5`", "2023-11-16"]),
        (format!("{azure}2023-11-16 18:15:46,1,1\n1980-11-16 18:15:45,1,1\n"), vec!["line 3.TIMESTAMP", "31 years"]),
        (format!("{json}{{\"timestamp\": 1, \"input"), vec!["line 2", "ends before", "`input_length`"]),
        (format!("{json}nonsense\n"), vec!["line 2", "not JSON"]),
        (format!("{json}{{\"timestamp\": 1, \"input_length\": 5}}\n"), vec!["line 2", "output_length"]),
        (format!("{json}{{\"timestamp\": 1, \"input_length\": -5, \"output_length\": 1}}\n"), vec!["line 2", "-5"]),
        (
            format!("{json}{{\"timestamp\": \"x\", \"input_length\": 5, \"output_length\": 1}}\n"),
            vec!["line 2", "\"x\""],
        ),
        (format!("{json}{{\"timestamp\": -1, \"input_length\": 5, \"output_length\": 1}}\n"), vec!["line 2.timestamp"]),
        (
            format!("{json}{{\"timestamp\": 1, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": \"a\"}}\n"),
            vec!["line 2", "\"a\"", "`hash_ids`"],
        ),
        (
            format!("{json}{{\"timestamp\": 1, \"input_length\": 5, \"output_length\": 1, \"hash_ids\": [-1]}}\n"),
            vec!["line 2", "-1"],
        ),
        (
            format!("{json}{{\"timestamp\": 1, \"input_length\": 512, \"output_length\": 1, \"hash_ids\": [1, 2]}}\n"),
            vec!["line 2.hash_ids", "`2` blocks", "`512` tokens"],
        ),
        (json.into(), vec!["`1` request"]),
        (format!("{own}0,\"1,1\n1,1,1\n"), vec!["line 2", "quote"]),
        ("{\"session_id\": 1, \"arrival_time_ns\": 0, \"sub_requests\": []}\n".into(), vec!["line 1", "session"]),
        ("[{\"id\": 1, \"conversations\": []}]".into(), vec!["line 1", "array", "tokenizer"]),
        ("[\n{\"id\": 1}]".into(), vec!["line 1", "array", "jq"]),
        ("{\"prompt_len\": 3, \"output_len\": 1.5}\n".into(), vec!["line 1", "1.5", "`output_len`"]),
        ("{\"input_toks\": 3, \"arrival_time\": 0}\n".into(), vec!["line 1", "output_toks"]),
        (
            "{\"arrival_time\": 1, \"input_toks\": 3, \"output_toks\": 1}\n{\"input_toks\": 3, \"output_toks\": 1}\n"
                .into(),
            vec!["line 2.arrival_time", "missing"],
        ),
        ("Timestamp,Model,Request tokens,Response tokens\n-5,a,1,-1\n".into(), vec!["line 2.Response tokens", "`-1`"]),
        ("request_id,arrival_timestamp,prompt_size\n".into(), vec!["`token_size` is missing"]),
        (format!("{}0,1,1,-2\n", own.replace('\n', ",weight\n")), vec!["line 2.weight", "`-2`"]),
        (format!("{}0,1,1,x\n", own.replace('\n', ",weight\n")), vec!["line 2.weight", "`x`"]),
        (format!("{}0,1,1,NaN\n", own.replace('\n', ",weight\n")), vec!["line 2.weight", "`NaN`"]),
        ("{\"time\": 0}\n".into(), vec!["line 1", "`timestamp`", "Azure"]),
    ];
    for (text, expected) in cases {
        let error = read("bad.csv", &text).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("bad.csv: line "), "{message}");
        assert!(!error.remedy.is_empty(), "{message}");
        for part in expected {
            assert!(message.contains(part), "{text:?} gives `{message}`, without `{part}`");
        }
    }
}
