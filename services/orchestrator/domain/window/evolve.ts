import type { WindowEvent, WindowState } from './window.js';

export const INITIAL_WINDOW: WindowState = { status: 'absent', scheduled: null, approval: null, rejection: null, frozen: null, results: null };

/** Folds one fact into the window's state. Refuses nothing. */
export function evolveWindow(state: WindowState, event: WindowEvent): WindowState {
  switch (event.type) {
    case 'WindowScheduled':
      return { ...state, status: 'scheduled', scheduled: event.data };
    case 'WindowApproved':
      return { ...state, approval: event.data };
    case 'WindowRejected':
      return { ...state, status: 'rejected', rejection: event.data };
    case 'WindowOpened':
      return { ...state, status: 'opened' };
    case 'WindowFrozen':
      return { ...state, status: 'frozen', frozen: event.data };
    case 'WindowClosed':
      return { ...state, status: 'closed', results: event.data.results };
  }
}
