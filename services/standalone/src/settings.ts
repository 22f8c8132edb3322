/** Where the installation lies unless said otherwise, from where the command is called. */
export const DEFAULT_DATA_FOLDER = 'understudy-data';
