/** Names of the commands; the parts of the extension call each other through these. */
export const CommandIDs = {
  show: 'xpbench:show-experiments',
  refresh: 'xpbench:refresh',
  create: 'xpbench:new-notebook',
  demo: 'xpbench:demo',
  verify: 'xpbench:verify',
  open: 'xpbench:open-document',
  chooseRoot: 'xpbench:choose-root'
} as const;
