import type { WindowEvent, WindowState } from './window.js';

export const NO_WINDOW: WindowState = { status: 'absent', window: null, approval: null, stopped: null, results: null };

export function evolveWindow(state: WindowState, event: WindowEvent): WindowState {
  switch (event.type) {
    case 'WindowScheduled':
      return { ...NO_WINDOW, status: 'scheduled', window: event.data };
    case 'WindowApproved':
      return { ...state, approval: event.data };
    case 'WindowRejected':
      return { ...state, status: 'rejected', stopped: event.data };
    case 'WindowOpened':
      return { ...state, status: 'open' };
    case 'WindowFrozen':
      return { ...state, status: 'frozen', stopped: event.data };
    case 'WindowCancelled':
      return { ...state, status: 'cancelled', stopped: event.data };
    case 'WindowClosed':
      return { ...state, status: 'closed', results: event.data.results };
  }
}
