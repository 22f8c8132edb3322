import { linkOf, type SignedStatement } from '@understudy/event-log';
import type { MeasuredInterruption, RolloutReport } from '@understudy/orchestrator-domain';

/** The report as Markdown, for tickets and chats. `checkpoint` = what signs the last of its events; null = nothing yet. */
export function markdownReport(report: RolloutReport, checkpoint: SignedStatement | null): string {
  return [
    `# Rollout ${report.rolloutId}`,
    '',
    `**${report.result ?? report.status}** · cluster \`${report.cluster}\` (${report.environment}) · ${report.kind}`,
    '',
    text(report.reason),
    '',
    ...interruption(report.interruption),
    ...list('Outage', outageSentences(report)),
    ...versions(report),
    ...downtime(report),
    ...list(
      'Remains to be mended',
      report.remains.map((item) => `${item.what}: \`${item.mend}\``),
    ),
    ...steps(report),
    ...gates(report),
    ...list('Opened by override', report.overrides.map(overrideSentence)),
    ...list('Not required, or not run', report.notRequired),
    ...list('Different versions side by side', mixedSentences(report)),
    ...list('Deviations', report.deviations),
    ...list('Risks accepted beforehand', report.acceptedRisks),
    '## Who',
    '',
    `- planned by ${text(report.plannedBy)}`,
    `- approved by ${text(report.approvedBy ?? 'nobody')}`,
    `- ticket ${text(report.ticket ?? 'none')}`,
    `- playbook ${report.playbook.name} version ${report.playbook.version} (\`${report.playbook.hash.slice(0, 12)}\`)`,
    '',
    '## What happened',
    '',
    ...report.story.map((line) => `- ${line.at ?? ''} ${text(line.what)}`),
    '',
    '## Signed',
    '',
    ...checkpointLines(checkpoint).map((line) => `- ${line}`),
    '',
  ].join('\n');
}

/** What somebody who keeps the report keeps of the log: the copy outside the database that a later forgery has to face. */
export function checkpointLines(checkpoint: SignedStatement | null): readonly string[] {
  if (checkpoint === null) return ['The last of these events is not signed yet, or nothing is signed here.'];
  const { number, position, keyId, signature, statement } = checkpoint;
  return [
    `checkpoint ${number}, up to position ${position} of the log`,
    `key ${keyId}`,
    `signature ${signature}`,
    `SHA-256 of the signed text ${linkOf(statement)}`,
  ];
}

/** Figures as they are told everywhere: measured, or said not to be. */
export function interruptionSentence(seen: MeasuredInterruption): string {
  if (!seen.measured) return `Interruption: not measured (${seen.reason}).`;
  const lost =
    seen.lostWrites === null
      ? 'lost writes not looked up'
      : `${seen.lostWrites} lost of ${seen.acknowledgedWrites} acknowledged writes`;
  return (
    `Interruption, measured from outside: longest ${Math.round(seen.longestMs)} ms, ${seen.gaps.length} gaps, ${Math.round(seen.sumMs)} ms in all, ` +
    `resolution ${Math.round(seen.resolutionMs)} ms; ${seen.failedOperations} failed operations, ${lost}.`
  );
}

/** Who opened a gate, why and until when. */
export function overrideSentence(seen: RolloutReport['overrides'][number]): string {
  const second = seen.confirmed === null ? 'nobody confirmed' : `${seen.confirmed.by} confirmed`;
  const end =
    seen.withdrawn === null ? '' : `; ${seen.withdrawn.by} withdrew it at ${seen.withdrawn.at}: ${seen.withdrawn.reason}`;
  return `${seen.gate}: ${seen.by} asked (${seen.reason}), ${second}, until ${seen.until}${end}`;
}

/** Since when nodes ran different versions, and until when; nothing where they never did. */
export function mixedSentences({ mixedVersions: mixed }: RolloutReport): readonly string[] {
  if (mixed === null) return [];
  const said = mixed.escalations === 0 ? '' : `; said ${mixed.escalations} times that it lasts too long`;
  return [`from ${mixed.since} ${mixed.until === null ? 'until now' : `until ${mixed.until}`}${said}`];
}

/** What was approved and used, by our own record; nothing where no outage was approved. */
export function outageSentences({ outage }: RolloutReport): readonly string[] {
  if (outage === null) return [];
  const over = outage.exceeded ? '; the budget was exceeded' : '';
  return [`taken away for ${outage.outageMs} ms of ${outage.budgetMs} ms approved${over}`];
}

function interruption(seen: MeasuredInterruption): readonly string[] {
  return [interruptionSentence(seen), ''];
}

function versions(report: RolloutReport): readonly string[] {
  const nodes = [...new Set([...Object.keys(report.versionsBefore), ...Object.keys(report.versionsAfter)])];
  if (nodes.length === 0) return [];
  const rows = nodes.flatMap((node) => {
    const items = Object.keys({ ...report.versionsBefore[node], ...report.versionsAfter[node] });
    return items.map(
      (item) =>
        `| ${node} | ${item} | ${report.versionsBefore[node]?.[item] ?? '–'} | ${report.versionsAfter[node]?.[item] ?? '–'} |`,
    );
  });
  return ['## Versions', '', '| node | item | before | after |', '| --- | --- | --- | --- |', ...rows, ''];
}

function downtime(report: RolloutReport): readonly string[] {
  const plan = report.downtimePlan;
  if (!plan) return [];
  const rows = plan.steps.map(
    (step, index) =>
      `| ${index + 1} | ${text(step.what)} | ${step.serviceDown ? 'yes' : 'no'} | ${step.estimatedMs} ms | ${text(step.source)} |`,
  );
  return [
    '## Downtime plan',
    '',
    text(plan.reason),
    '',
    '| # | step | service down | estimated | source |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
    `Estimated downtime: **${plan.estimatedDowntimeMs} ms**. ${text(plan.whyNotLess)}`,
    '',
  ];
}

function steps(report: RolloutReport): readonly string[] {
  if (report.steps.length === 0) return [];
  const rows = report.steps.map((step) => {
    const gap = step.interruption?.measured ? `${Math.round(step.interruption.longestMs)} ms` : '';
    return `| ${step.stepId} | ${step.phase} | ${step.status} | ${step.attempts} | ${step.tookMs ?? '–'} | ${gap} | ${text(step.reason ?? '')} |`;
  });
  return [
    '## Steps',
    '',
    '| step | phase | status | attempts | ms | interruption | reason |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ];
}

function gates(report: RolloutReport): readonly string[] {
  if (report.gates.length === 0) return [];
  const rows = report.gates.map((gate) => `| ${gate.gate} | ${gate.requirement} | ${gate.status} | ${text(gate.reason)} |`);
  return ['## Gates', '', '| gate | requirement | status | reason |', '| --- | --- | --- | --- |', ...rows, ''];
}

function list(title: string, items: readonly string[]): readonly string[] {
  return items.length === 0 ? [] : [`## ${title}`, '', ...items.map((item) => `- ${text(item)}`), ''];
}

/** One line, and no cell or markup of its own. */
function text(value: string): string {
  return value.replace(/\s+/g, ' ').replace(/([|<>])/g, '\\$1');
}
