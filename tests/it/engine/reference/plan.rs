//! Who takes part in an iteration, and with how many tokens.

use fluidsim::scenario::{BudgetCounts, FirstToken, Mixing, Priority, Prompts, SequenceLimit};

use super::System;

/// Which kinds of work an iteration holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Both,
    Decodes,
    Prompts,
}

/// An iteration that is being formed.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub kind: Kind,
    /// Who advances one token: the candidates, then ready entrants.
    pub decodes: Vec<usize>,
    /// Prompts and their shares, in order of admission.
    pub shares: Vec<(usize, i64)>,
    /// Who became resident.
    pub entrants: Vec<usize>,
    /// How many of the decodes are entrants.
    pub ready_entrants: i64,
}

impl Plan {
    fn new(kind: Kind, decodes: Vec<usize>) -> Self {
        Self { kind, decodes, shares: Vec::new(), entrants: Vec::new(), ready_entrants: 0 }
    }

    pub fn takes_part(&self) -> bool {
        !self.decodes.is_empty() || !self.shares.is_empty()
    }

    /// Somebody is preempted.
    pub fn remove(&mut self, index: usize) {
        if self.entrants.contains(&index) && self.decodes.contains(&index) {
            self.ready_entrants -= 1;
        }
        self.entrants.retain(|&other| other != index);
        self.decodes.retain(|&other| other != index);
        self.shares.retain(|&(other, _)| other != index);
    }
}

impl System {
    /// Steps 1 to 6. Whoever stands at the end of a segment goes on when nobody would take part.
    pub(super) fn plan(&mut self) -> Plan {
        self.pass_segments(false);
        let plan = self.plan_once();
        if plan.takes_part() || !self.pass_segments(true) { plan } else { self.plan_once() }
    }

    fn plan_once(&mut self) -> Plan {
        let mut plan = self.plan_residents();
        while self.is_short_of_memory(&plan) {
            self.preempt(self.victim());
            plan = self.plan_residents();
        }
        self.admit(&mut plan);
        self.preempt_aggressively(&mut plan);
        self.choose_decodes(&mut plan);
        plan
    }

    /// Steps 1 and 2, and the shares of prefilling residents.
    fn plan_residents(&self) -> Plan {
        let rules = &self.rules.batch;
        let candidates = self.candidates();
        if rules.mixing == Mixing::Mixed {
            return self.with_shares(Plan::new(Kind::Both, candidates));
        }
        let prompts = self.with_shares(Plan::new(Kind::Prompts, Vec::new()));
        let decodes_first = rules.priority == Priority::DecodeFirst && !candidates.is_empty();
        let has_prompts = !prompts.shares.is_empty() || (!self.pressed && self.would_admit(&prompts));
        if !decodes_first && has_prompts { prompts } else { Plan::new(Kind::Decodes, candidates) }
    }

    /// Ready residents that may advance.
    fn candidates(&self) -> Vec<usize> {
        let rules = &self.rules;
        let width = match (rules.batch.priority, rules.batch.sequence_limit) {
            (Priority::Split, _) => rules.split,
            (_, SequenceLimit::Batch) => rules.sequences,
            (_, SequenceLimit::Residents) => i64::MAX,
        };
        let most = width.min(rules.token_budget()) as usize;
        self.decoding.iter().copied().filter(|&index| !self.stands(index)).take(most).collect()
    }

    fn with_shares(&self, mut plan: Plan) -> Plan {
        for &index in &self.residents {
            let request = &self.requests[index];
            if request.ready || request.on_its_way.is_some() || self.places_left(&plan) <= 0 {
                continue;
            }
            let share = self.share(index, &plan);
            if share > 0 {
                plan.shares.push((index, share));
            }
        }
        plan
    }

    /// Prompt tokens that a request gets on top of the plan.
    pub(super) fn share(&self, index: usize, plan: &Plan) -> i64 {
        let unwritten = self.requests[index].target() - self.requests[index].held;
        let left = self.tokens_left(plan);
        match (self.rules.batch.prompts, self.rules.batch.chunk_tokens) {
            (Prompts::Whole, _) if unwritten > left => 0,
            (Prompts::Whole, _) => unwritten,
            (_, Some(chunk)) => unwritten.min(left).min(chunk as i64),
            (_, None) => unwritten.min(left),
        }
    }

    fn prompts_go_first(&self, plan: &Plan) -> bool {
        plan.kind == Kind::Both && self.rules.batch.priority == Priority::PrefillFirst
    }

    /// Candidates that the prompts have to leave tokens and places for.
    fn served_first(&self, plan: &Plan) -> i64 {
        if self.prompts_go_first(plan) { 0 } else { plan.decodes.len() as i64 - plan.ready_entrants }
    }

    /// L.
    pub(super) fn tokens_left(&self, plan: &Plan) -> i64 {
        let prompts: i64 = plan.shares.iter().map(|share| share.1).sum();
        self.rules.token_budget() - self.served_first(plan) - prompts - plan.ready_entrants
    }

    /// How many more prompts or ready entrants the cap on a batch lets in.
    pub(super) fn places_left(&self, plan: &Plan) -> i64 {
        let taken = plan.shares.len() as i64 + plan.ready_entrants;
        match (self.rules.batch.sequence_limit, self.rules.batch.priority) {
            (SequenceLimit::Residents, _) => i64::MAX,
            (SequenceLimit::Batch, Priority::Split) => self.rules.sequences - self.rules.split - taken,
            (SequenceLimit::Batch, _) => self.rules.sequences - self.served_first(plan) - taken,
        }
    }

    /// Step 6: who of the candidates advances.
    fn choose_decodes(&self, plan: &mut Plan) {
        if self.prompts_go_first(plan) {
            let most = self.tokens_left(plan).min(self.places_left(plan)) + plan.ready_entrants;
            plan.decodes.truncate(most.clamp(0, plan.decodes.len() as i64) as usize);
        }
        if let (BudgetCounts::Context, Some(budget)) = (self.rules.batch.budget_counts, self.rules.budget) {
            let mut most = 0;
            let held = |count: usize| plan.decodes[..count].iter().map(|&index| self.requests[index].held + 1);
            while most < plan.decodes.len() && (most == 0 || held(most + 1).sum::<i64>() <= budget) {
                most += 1;
            }
            plan.decodes.truncate(most);
        }
    }

    /// KV tokens that a resident holds at the end of the iteration.
    pub(super) fn held_after(&self, index: usize, plan: &Plan) -> i64 {
        self.held_before_token(index, plan) + i64::from(self.emits(index, plan))
    }

    /// The same without the token that it emits.
    pub(super) fn held_before_token(&self, index: usize, plan: &Plan) -> i64 {
        let share = plan.shares.iter().find(|share| share.0 == index).map_or(0, |share| share.1);
        self.requests[index].held + share
    }

    fn emits(&self, index: usize, plan: &Plan) -> bool {
        let ends_prompt = plan.shares.iter().any(|share| share.0 == index)
            && self.held_before_token(index, plan) == self.requests[index].target();
        plan.decodes.contains(&index) || (ends_prompt && self.rules.batch.first_token == FirstToken::Prefill)
    }

    /// Whether a resident stands at the end of a segment.
    pub(super) fn stands(&self, index: usize) -> bool {
        let request = &self.requests[index];
        self.rules.segments.contains(&request.emitted) && request.passed < request.emitted
    }

    /// At each segment end, if enough residents stand there, that many go on; with `all`, all of them. They stand last among the
    /// ready then. Whether anybody went on.
    fn pass_segments(&mut self, all: bool) -> bool {
        let mut any = false;
        let thresholds = self.rules.thresholds.iter().skip(1).copied();
        let segments: Vec<(i64, i64)> = self.rules.segments.iter().copied().zip(thresholds).collect();
        for (end, threshold) in segments {
            let mut standing = self.decoding.clone();
            standing.retain(|&index| self.stands(index) && self.requests[index].emitted == end);
            let going = if all { standing.len() } else { threshold as usize };
            if standing.len() < going {
                continue;
            }
            for &index in &standing[..going] {
                self.requests[index].passed = end;
                self.decoding.retain(|&other| other != index);
                self.decoding.push(index);
                any = true;
            }
        }
        any
    }
}
