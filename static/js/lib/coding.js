// A list of codes with evidence, as values: the payload of the kind "coding" and the steps that change it.

export const COLORS = 9;

/** What the page holds, from a payload: codes in order, and evidence as spans labelled by code. */
export function stateOf(payload) {
  const codes = payload.codes.map(({ evidence, ...code }) => ({ no_evidence: "", is_header: false, ...code }));
  const spans = payload.codes.flatMap(({ code, evidence }) => evidence.map(({ start, end, quote }) => ({ start, end, quote, label: code })));
  return { codes, spans, none: Boolean(payload.none_apply) };
}

/** The payload of a state; a reason counts only where there is no evidence. */
export function payloadOf({ codes, spans, none }) {
  const evidence = (code) => spans.filter((span) => span.label === code).map(({ start, end, quote }) => ({ start, end, quote }));
  return {
    codes: codes.map(({ code, description, no_evidence, is_header }) => {
      const found = evidence(code);
      return { code, description, is_header, evidence: found, no_evidence: found.length ? "" : no_evidence.trim() };
    }),
    none_apply: none && codes.length === 0,
  };
}

export function withCode(state, { value, name, warning }) {
  if (state.codes.some(({ code }) => code === value)) return state;
  return { ...state, none: false, codes: [...state.codes, { code: value, description: name, no_evidence: "", is_header: Boolean(warning) }] };
}

export function withoutCode(state, code) {
  return { ...state, codes: state.codes.filter((each) => each.code !== code), spans: state.spans.filter((span) => span.label !== code) };
}

export function withPrimary(state, code) {
  const first = state.codes.filter((each) => each.code === code);
  return { ...state, codes: [...first, ...state.codes.filter((each) => each.code !== code)] };
}

export function withoutSpan(state, gone) {
  return { ...state, spans: state.spans.filter((span) => span.start !== gone.start || span.end !== gone.end || span.label !== gone.label) };
}

/** The labels of the span editor: one per code, coloured by the order in which codes came, so that none changes colour. */
export function labelsOf(codes, colors) {
  return codes.map(({ code, description }) => ({ value: code, name: `${code} ${description}`, color: colors.get(code) }));
}
