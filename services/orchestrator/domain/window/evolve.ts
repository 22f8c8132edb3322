import type { WindowEvent, WindowState } from './window.js';

export const NO_WINDOW: WindowState = {
  status: 'absent',
  window: null,
  approval: null,
  stopped: null,
  waves: [],
  begun: {},
  givenUp: {},
  held: null,
  passedOver: [],
  thaw: null,
  frozenFrom: null,
  results: null,
};

type Data<T extends WindowEvent['type']> = Extract<WindowEvent, { type: T }>['data'];
type Handlers = { readonly [T in WindowEvent['type']]: (state: WindowState, data: Data<T>) => WindowState };

const HANDLERS: Handlers = {
  WindowScheduled: (_state, window) => ({ ...NO_WINDOW, status: 'scheduled', window }),
  WindowApproved: (state, approval) => ({ ...state, approval }),
  WindowRejected: (state, stopped) => ({ ...state, status: 'rejected', stopped }),
  WindowOpened: (state) => ({ ...state, status: 'open' }),
  WaveBegun: (state, { at }) => ({ ...state, waves: [...state.waves, { begunAt: at, ended: null, passedOver: false }] }),
  RolloutsBegun: (state, { rollouts, at }) => ({
    ...state,
    begun: { ...state.begun, ...Object.fromEntries(rollouts.map((id) => [id, at])) },
  }),
  RolloutsGivenUp: (state, { rollouts, at }) => ({
    ...state,
    givenUp: { ...state.givenUp, ...Object.fromEntries(rollouts.map(({ id, reason }) => [id, { reason, at }])) },
  }),
  WaveEnded: (state, { wave, at, soakUntil, results }) => ({
    ...state,
    waves: state.waves.map((known, index) => (index + 1 === wave ? { ...known, ended: { at, soakUntil, results } } : known)),
  }),
  WindowHeld: (state, held) => ({ ...state, status: 'held', held }),
  WindowResumed: resumed,
  WindowFrozen: (state, { fleet, ...stopped }) => ({
    ...state,
    status: 'frozen',
    stopped,
    frozenFrom: { at: stopped.at, fleet: fleet === true, status: state.status, stopped: state.stopped },
  }),
  WindowAborted: (state, stopped) => ({ ...state, status: 'aborting', held: null, stopped }),
  WindowCancelled: (state, stopped) => ({ ...state, status: 'cancelled', stopped }),
  WindowClosed: (state, { results }) => ({ ...state, status: 'closed', results }),
};

/** Folds one fact into the state. Refuses nothing. */
export function evolveWindow(state: WindowState, event: WindowEvent): WindowState {
  const handler = HANDLERS[event.type] as (state: WindowState, data: WindowEvent['data']) => WindowState;
  return handler(state, event.data);
}

/** The end of a freeze leads back to where it began; the end of a hold lets waves go on. */
function resumed(state: WindowState, { by, at, passedOver, as }: Data<'WindowResumed'>): WindowState {
  const { frozenFrom } = state;
  if (frozenFrom === null) {
    const waves = state.waves.map((wave) => (wave.ended === null ? wave : { ...wave, passedOver: true }));
    return { ...state, status: as, held: null, waves, passedOver: [...state.passedOver, ...passedOver] };
  }
  const { at: frozenAt, stopped } = frozenFrom;
  return {
    ...state,
    status: as,
    stopped,
    frozenFrom: null,
    thaw: { by, at, frozenAt: [...(state.thaw?.frozenAt ?? []), frozenAt] },
  };
}
