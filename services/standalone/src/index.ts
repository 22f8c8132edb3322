export { serve } from './serve.js';
export { readCommand, standaloneSettings, type StandaloneSettings } from './settings.js';
