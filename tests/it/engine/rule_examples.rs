//! Small cases worked out by hand, one for each rule that no published sample path covers.

use fluidsim::scenario::{
    Admission, BudgetCounts, Engine, FirstToken, MixedCost, Order, Packing, Preemption, Prompts, Scenario,
    SequenceLimit, Sight, StepTimeLaw, Transfer, Trigger, Victim,
};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::oracle_reference::{SECOND, unit_steps};
use super::reference::{Outcome, Request, Rules, serve};

fn at(second: i128, prompt: i64, output: i64) -> Request {
    Request::new(second * SECOND, prompt, output)
}

fn run(scenario: &Scenario, requests: Vec<Request>) -> Outcome {
    scenario.validate().unwrap();
    serve(Rules::of(scenario), requests, 0, 1000 * SECOND)
}

/// Seconds of a moment of every request.
fn seconds(outcome: &Outcome, moment: impl Fn(&Request) -> Option<i128>) -> Vec<i128> {
    outcome.requests.iter().map(|request| moment(request).map_or(-1, |time| time / SECOND)).collect()
}

fn admitted(outcome: &Outcome) -> Vec<i128> {
    seconds(outcome, |request| request.admitted)
}

fn completed(outcome: &Outcome) -> Vec<i128> {
    seconds(outcome, |request| request.completed)
}

/// Prompts come with their KV; memory is limited and nothing else.
fn decode_node(memory: u64, preemption: Preemption) -> Scenario {
    let mut scenario = unit_steps(Engine::VllmV1);
    scenario.policy.batching.prompts = Some(Prompts::Present);
    scenario.policy.preemption = preemption;
    scenario.policy.swap_s_per_token = (preemption == Preemption::Swap).then_some(0.0);
    scenario.instance.kv_tokens = Some(memory);
    scenario
}

#[test]
fn a_class_waits_until_enough_of_it_are_there() {
    let mut scenario = unit_steps(Engine::VllmV1);
    scenario.policy.admission = Admission::Wait;
    scenario.policy.wait_thresholds = vec![3];
    let outcome = run(&scenario, vec![at(0, 1, 2), at(1, 1, 2), at(2, 1, 2), at(2, 1, 2), at(7, 1, 2)]);
    assert_eq!(admitted(&outcome), [2, 2, 2, -1, -1]);
    assert_eq!(outcome.batches.len(), 2);
}

/// Two enter at a time; the first two stop after 2 of 4 tokens until two others have come as far; then four go on. Without others they
/// go on by themselves.
#[test]
fn survivors_of_a_segment_gather() {
    let mut scenario = unit_steps(Engine::VllmV1);
    scenario.policy.admission = Admission::NestedWait;
    scenario.policy.wait_thresholds = vec![2, 4];
    scenario.policy.wait_segments = vec![2];
    let requests = vec![at(0, 1, 4), at(1, 1, 4), at(2, 1, 4), at(2, 1, 4), at(5, 1, 2)];
    let outcome = run(&scenario, requests);
    assert_eq!(admitted(&outcome), [1, 1, 2, 2, -1]);
    assert_eq!(completed(&outcome), [6, 6, 6, 6, -1]);
    let alone = run(&scenario, vec![at(0, 1, 4), at(1, 1, 4)]);
    assert_eq!(completed(&alone), [5, 5]);
}

/// 4 + 4 tokens beside 4 + 2: when the second completes, both hold 6. A memory of 12 has room for that; one of 11 has not, though both
/// can begin, and the third enters when it will hold 5 beside the 6 of the second.
#[test]
fn looking_ahead_asks_for_room_at_completions() {
    let mut scenario = decode_node(12, Preemption::Recompute);
    let requests = || vec![at(0, 4, 4), at(0, 4, 2), at(0, 4, 2)];
    scenario.policy.admission = Admission::LookAhead;
    let outcome = run(&scenario, requests());
    assert_eq!((completed(&outcome), outcome.preemptions), (vec![4, 2, 6], 0));
    scenario.instance.kv_tokens = Some(11);
    assert_eq!(completed(&run(&scenario, requests())), [4, 6, 7]);
    scenario.policy.admission = Admission::Greedy;
    let greedy = run(&scenario, requests());
    assert_eq!((admitted(&greedy), greedy.preemptions), (vec![0, 0, 4], 1));
}

/// The first holds 4 of 16 tokens, a quarter, so that nobody else may enter at the threshold of a quarter.
#[test]
fn admission_stops_at_the_threshold() {
    let mut scenario = decode_node(16, Preemption::Recompute);
    scenario.policy.admission = Admission::Threshold;
    scenario.policy.threshold_share = Some(0.25);
    assert_eq!(admitted(&run(&scenario, vec![at(0, 4, 2), at(0, 4, 2)])), [0, 2]);
    scenario.policy.threshold_share = Some(0.3125);
    assert_eq!(admitted(&run(&scenario, vec![at(0, 4, 2), at(0, 4, 2)])), [0, 0]);
}

/// Beside the first, 4 of 16 tokens have to stay free: 5 + 7 fits, 5 + 8 does not. The first may take what it likes.
#[test]
fn entrants_leave_the_watermark_free() {
    let mut scenario = decode_node(16, Preemption::Recompute);
    scenario.policy.admission = Admission::Watermark;
    scenario.policy.watermark_share = Some(0.25);
    assert_eq!(admitted(&run(&scenario, vec![at(0, 4, 2), at(0, 6, 2)])), [0, 0]);
    assert_eq!(admitted(&run(&scenario, vec![at(0, 4, 2), at(0, 7, 2)])), [0, 2]);
    assert_eq!(admitted(&run(&scenario, vec![at(0, 14, 2)])), [0]);
}

/// One at a time, all there when the first completes.
#[test]
fn orders_stand_by_their_keys() {
    let mut scenario = unit_steps(Engine::VllmV1);
    scenario.instance.max_sequences = 1;
    let requests = || {
        let waiting = [at(0, 9, 2).of_class(1, 1.0), at(0, 2, 4).of_class(2, 4.0), at(0, 3, 1).of_class(3, 0.25)];
        [vec![at(0, 1, 1)], waiting.to_vec()].concat()
    };
    // The first of each order enters at 0: the request of one prompt token, but for the heaviest.
    for (order, expected) in [
        (Order::Fcfs, [0, 1, 3, 7]),
        (Order::ShortestPrompt, [0, 6, 1, 5]),
        (Order::ShortestJob, [0, 6, 2, 1]),
        (Order::Srpt, [0, 6, 2, 1]),
        (Order::WeightedFcfs, [4, 5, 0, 7]),
        // 2/1, 11/1, 6/4, 4/0.25
        (Order::WeightedSrpt, [4, 5, 0, 7]),
        // 2, 21, 18, 4
        (Order::SmallestVolume, [0, 6, 2, 1]),
    ] {
        scenario.policy.order = order;
        assert_eq!(admitted(&run(&scenario, requests())), expected, "{order:?}");
    }
}

/// Residents of 4, 6, 5 tokens fill 18 with their first iteration and have no room for a second one: who leaves?
#[test]
fn victims_are_chosen_by_rule() {
    let mut scenario = decode_node(18, Preemption::Swap);
    for (victim, expected) in [
        (Victim::Lifo, [0, 0, 1]),
        (Victim::Fifo, [1, 0, 0]),
        (Victim::LeastProgress, [0, 0, 1]),
        (Victim::MostMemory, [0, 1, 0]),
        (Victim::LowestWeight, [0, 1, 0]),
        (Victim::LatestBatch, [1, 0, 0]),
    ] {
        scenario.policy.victim = Some(victim);
        let requests = vec![at(0, 4, 3).of_class(0, 2.0), at(0, 6, 3).of_class(0, 1.0), at(0, 5, 2).of_class(0, 3.0)];
        let outcome = run(&scenario, requests);
        let counts: Vec<u32> = outcome.requests.iter().map(|request| request.preemptions).collect();
        assert_eq!(counts, expected, "{victim:?}");
    }
}

/// At 2 they hold 7 + 6 of 13 tokens: the second leaves with 6, which takes 1/2 + 6/4 s each way.
#[test]
fn transfers_block_iterations_or_run_beside_them() {
    let mut scenario = decode_node(13, Preemption::Swap);
    scenario.policy.swap_s_per_token = Some(0.25);
    scenario.policy.swap_latency_s = Some(0.5);
    let requests = || vec![at(0, 5, 4), at(0, 4, 4)];
    let blocking = run(&scenario, requests());
    assert_eq!(completed(&blocking), [6, 10]);
    assert_eq!(blocking.batches.iter().map(|batch| batch.duration / SECOND).collect::<Vec<_>>(), [1, 1, 3, 1, 3, 1]);
    // The way out ends at 4, when the first completes; the way back at 6.
    scenario.policy.swap_transfer = Transfer::Overlapped;
    let overlapped = run(&scenario, requests());
    assert_eq!(completed(&overlapped), [4, 8]);
    assert_eq!(overlapped.batches.iter().map(|batch| batch.duration / SECOND).collect::<Vec<_>>(), [1; 6]);
}

/// A short request takes the place of a long one under SRPT; another that has more to go than the short one waits.
#[test]
fn waiting_requests_preempt_when_allowed() {
    let mut scenario = decode_node(1000, Preemption::Swap);
    scenario.instance.max_sequences = 1;
    scenario.policy.order = Order::Srpt;
    scenario.policy.trigger = Trigger::Aggressive;
    scenario.policy.allow_waiting_preempt = true;
    let outcome = run(&scenario, vec![at(0, 1, 10), at(2, 1, 3), at(3, 1, 3)]);
    assert_eq!(admitted(&outcome), [0, 2, 5]);
    assert_eq!((completed(&outcome), outcome.preemptions), (vec![16, 5, 8], 1));
}

/// Prompts of 8 and 3 tokens beside 2 decodes, τ = b: the longer of the two counts.
#[test]
fn a_mixed_iteration_can_cost_the_longer_kind() {
    let mut scenario = unit_steps(Engine::VllmV1);
    scenario.step_time = StepTimeLaw::Affine { base_s: 0.0, per_token_s: 1.0 };
    scenario.policy.batching.mixed_cost = Some(MixedCost::Max);
    let outcome = run(&scenario, vec![at(0, 1, 4), at(0, 1, 2), at(1, 8, 1), at(1, 3, 1)]);
    assert_eq!(outcome.batches.iter().map(|batch| batch.duration / SECOND).collect::<Vec<_>>(), [2, 11, 1, 1]);
}

/// Half of 4 places decode, half are prompts; a prompt's first token comes with its first decode.
#[test]
fn a_split_batch_keeps_places_for_both() {
    let mut scenario = unit_steps(Engine::Hybrid);
    scenario.instance.max_sequences = 4;
    let outcome = run(&scenario, vec![at(0, 1, 2); 5]);
    assert_eq!(admitted(&outcome), [0, 0, 1, 1, 2]);
    let batches: Vec<_> = outcome.batches.iter().map(|batch| (batch.decodes, batch.prompt_tokens)).collect();
    assert_eq!(batches, [(0, 2), (2, 2), (2, 1), (2, 0), (2, 0), (1, 0), (1, 0)]);
    assert_eq!(seconds(&outcome, |request| request.first_token), [2, 2, 4, 4, 6]);
}

/// Seed 001: decodes whenever there are any, or prompts whenever there are any; only a batch is capped.
#[test]
fn one_kind_goes_first_in_exclusive_iterations() {
    let requests = || vec![at(0, 1, 2), at(0, 1, 2), at(0, 1, 2)];
    let kinds = |engine: Engine| {
        let mut scenario = unit_steps(engine);
        scenario.instance.max_sequences = 2;
        let outcome = run(&scenario, requests());
        outcome.batches.iter().map(|batch| (batch.decodes, batch.prompt_tokens)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(Engine::DecodePrioritizing), [(0, 2), (2, 0), (2, 0), (0, 1), (1, 0), (1, 0)]);
    assert_eq!(kinds(Engine::PrefillPrioritizing), [(0, 2), (0, 1), (2, 0), (2, 0), (1, 0), (1, 0)]);
}

/// B = 10: after a prompt of 4 tokens one of 7 does not fit, but one of 5 does.
#[test]
fn a_batch_is_filled_or_kept_in_order() {
    let mut scenario = unit_steps(Engine::VllmV0);
    scenario.instance.max_batch_tokens = Some(10);
    let requests = || vec![at(0, 4, 1), at(0, 7, 1), at(0, 5, 1)];
    assert_eq!(admitted(&run(&scenario, requests())), [0, 1, 2]);
    scenario.policy.batching.packing = Some(Packing::Fill);
    assert_eq!(admitted(&run(&scenario, requests())), [0, 1, 0]);
}

/// A prompt of 5 tokens in chunks of 2 beside others: the budget of 3 goes to the second, too.
#[test]
fn chunks_are_capped() {
    let mut scenario = unit_steps(Engine::Sarathi);
    scenario.instance.max_batch_tokens = Some(3);
    scenario.policy.batching.chunk_tokens = Some(2);
    scenario.policy.batching.sequence_limit = Some(SequenceLimit::Batch);
    let outcome = run(&scenario, vec![at(0, 5, 1), at(0, 3, 1)]);
    assert_eq!(completed(&outcome), [3, 3]);
    assert_eq!(outcome.batches.iter().map(|batch| batch.prompt_tokens).collect::<Vec<_>>(), [3, 3, 2]);
}
/// Requests of known length that look ahead, or reserve, are never preempted.
#[test]
fn who_looks_ahead_is_never_preempted() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut greedy = 0;
    for _ in 0..300 {
        let mut clock = 0;
        let mut request = || {
            clock += rng.random_range(0..4);
            at(clock, rng.random_range(1..20), rng.random_range(1..20))
        };
        let requests: Vec<Request> = (0..60).map(|_| request()).collect();
        let mut scenario = decode_node(rng.random_range(60..120), Preemption::Recompute);
        scenario.instance.block_tokens = rng.random_range(1..6);
        greedy += run(&scenario, requests.clone()).preemptions;
        for admission in [Admission::LookAhead, Admission::Reserve] {
            scenario.policy.admission = admission;
            let outcome = run(&scenario, requests.clone());
            assert_eq!(outcome.preemptions, 0);
            assert!(outcome.requests.iter().all(|request| request.completed.is_some()));
        }
    }
    assert!(greedy > 300, "{greedy}");
}

/// B = 11 counts KV: 5 + 5 fit, then 6 + 6 do not, and the second waits for the first to complete. One alone always takes part.
#[test]
fn a_context_budget_cuts_the_batch() {
    let mut scenario = decode_node(1000, Preemption::Swap);
    scenario.policy.batching.budget_counts = Some(BudgetCounts::Context);
    scenario.instance.max_batch_tokens = Some(11);
    assert_eq!(completed(&run(&scenario, vec![at(0, 4, 3), at(0, 4, 3), at(1, 20, 1)])), [3, 5, 6]);
}

/// The second comes while the first iteration runs and is seen when the second one has been formed; in an empty system at once.
#[test]
fn arrivals_can_be_seen_one_step_late() {
    let mut scenario = unit_steps(Engine::VllmV1);
    let requests = || vec![at(0, 1, 4), Request::new(SECOND / 2, 1, 1), at(9, 1, 1)];
    assert_eq!(admitted(&run(&scenario, requests())), [0, 1, 9]);
    scenario.policy.arrivals_seen = Some(Sight::OneStepLate);
    assert_eq!(admitted(&run(&scenario, requests())), [0, 2, 9]);
}

/// Three are decoding when a prompt of 4 tokens comes; B = 5 leaves a token for the one that became ready first.
#[test]
fn prompts_that_go_first_leave_the_rest_to_decodes() {
    let mut scenario = unit_steps(Engine::Orca);
    scenario.instance.max_batch_tokens = Some(5);
    let outcome = run(&scenario, vec![at(0, 1, 3), at(0, 1, 3), at(0, 1, 3), at(1, 4, 1)]);
    let batches: Vec<_> = outcome.batches.iter().map(|batch| (batch.decodes, batch.prompt_tokens)).collect();
    assert_eq!(batches, [(0, 3), (1, 4), (3, 0), (2, 0)]);
    assert_eq!(completed(&outcome), [3, 4, 4, 2]);
}

/// Memory 8: at 2 the residents hold 4 + 4 and the second loses its KV. It prefills its 1 + 3 tokens anew beside nobody, which gives it
/// token 4, or, when only decodes emit, nothing.
#[test]
fn a_refill_emits_as_the_first_prefill_did() {
    let mut scenario = unit_steps(Engine::VllmV1);
    scenario.policy.preemption = Preemption::Recompute;
    scenario.instance.kv_tokens = Some(8);
    let requests = || vec![at(0, 1, 6), at(0, 1, 6)];
    let outcome = run(&scenario, requests());
    assert_eq!((completed(&outcome), outcome.tokens), (vec![6, 9], 6 + 3 + 4 + 2));
    scenario.policy.batching.first_token = Some(FirstToken::Decode);
    let outcome = run(&scenario, requests());
    assert_eq!((completed(&outcome), outcome.tokens), (vec![7, 11], 7 + 4 + 4 + 3));
}
