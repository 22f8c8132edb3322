import type { SignedStatement } from '@understudy/event-log';
import type { ReportStep, RolloutReport } from '@understudy/orchestrator-domain';
import { checkpointLines, interruptionSentence, mixedSentences, outageSentences, overrideSentence } from './markdown.js';

/** The report as one HTML file: no script, nothing loaded from elsewhere, printable. */
export function htmlReport(report: RolloutReport, checkpoint: SignedStatement | null): string {
  const title = `Understudy: ${report.cluster}, ${report.result ?? report.status}`;
  const body = [
    header(report),
    section('Outage', items(outageSentences(report).map(escape))),
    section('Versions', versions(report)),
    section('Downtime plan', downtime(report)),
    section(
      'Remains to be mended',
      items(report.remains.map((item) => `${escape(item.what)} <code>${escape(item.mend)}</code>`)),
    ),
    section('Steps', steps(report.steps)),
    section('Gates', gates(report)),
    section(
      'Patch order',
      items(report.order.map((place) => `<b>${escape(place.node)}</b> on ${escape(place.host)}: ${escape(place.reason)}`)),
    ),
    section('Opened by override', items(report.overrides.map((entry) => escape(overrideSentence(entry))))),
    section('Not required, or not run', items(report.notRequired.map(escape))),
    section('Different versions side by side', items(mixedSentences(report).map(escape))),
    section('Deviations', items(report.deviations.map(escape))),
    section('Risks accepted beforehand', items(report.acceptedRisks.map(escape))),
    section('What happened', story(report)),
    section('Signed', items(checkpointLines(checkpoint).map(escape))),
  ].join('\n');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title><style>${STYLE}</style></head>
<body><main>
${body}
</main></body></html>
`;
}

const STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6470;--line:#d8dde3;--paper:#fff;--good:#1a7f4b;--bad:#b3261e;--wait:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa4b0;--line:#343b44;--paper:#15181c;--good:#5fc992;--bad:#ff8a80;--wait:#e3b341}}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.05rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}
.meta,.soft{color:var(--soft)}.lead{font-size:1.05rem;margin:.8rem 0}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}th{font-weight:600;color:var(--soft)}
code{font-family:ui-monospace,monospace;font-size:.9em;overflow-wrap:anywhere}
.succeeded,.open{color:var(--good)}.failed,.closed,.refused,.needs-attention,.unknown,.aborted{color:var(--bad)}.rolled-back,.held,.pending,.skipped{color:var(--wait)}
ol,ul{padding-left:1.2rem;margin:.4rem 0}li{margin:.15rem 0}
`;

function header(report: RolloutReport): string {
  const word = report.result ?? report.status;
  const facts = [
    `cluster ${report.cluster} (${report.environment})`,
    report.kind,
    `playbook ${report.playbook.name} version ${report.playbook.version}`,
    `planned by ${report.plannedBy}`,
    report.approvedBy === null ? 'no approval' : `approved by ${report.approvedBy}`,
    report.ticket === null ? 'no ticket' : `ticket ${report.ticket}`,
  ];
  return `<h1><span class="${word}">${escape(word)}</span></h1>
<p class="lead">${escape(report.reason)}</p>
<p>${escape(interruptionSentence(report.interruption))}</p>
<p class="meta">${facts.map(escape).join(' · ')}<br><code>${escape(report.rolloutId)}</code></p>`;
}

function section(title: string, content: string): string {
  return content === '' ? '' : `<h2>${escape(title)}</h2>\n${content}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const cells = (tag: string, row: readonly string[]): string =>
    `<tr>${row.map((cell) => `<${tag}>${cell}</${tag}>`).join('')}</tr>`;
  return `<div class="wide"><table><thead>${cells('th', head)}</thead><tbody>${rows.map((row) => cells('td', row)).join('\n')}</tbody></table></div>`;
}

function items(entries: readonly string[]): string {
  return entries.length === 0 ? '' : `<ul>${entries.map((entry) => `<li>${entry}</li>`).join('\n')}</ul>`;
}

function marked(word: string): string {
  return `<span class="${word}">${escape(word)}</span>`;
}

function versions(report: RolloutReport): string {
  const nodes = [...new Set([...Object.keys(report.versionsBefore), ...Object.keys(report.versionsAfter)])];
  const rows = nodes.flatMap((node) => {
    const names = Object.keys({ ...report.versionsBefore[node], ...report.versionsAfter[node] });
    return names.map((item) =>
      [node, item, report.versionsBefore[node]?.[item] ?? '–', report.versionsAfter[node]?.[item] ?? '–'].map(escape),
    );
  });
  return table(['node', 'item', 'before', 'after'], rows);
}

function downtime(report: RolloutReport): string {
  const plan = report.downtimePlan;
  if (!plan) return '';
  const rows = plan.steps.map((step) => [
    escape(step.what),
    step.serviceDown ? 'yes' : 'no',
    `${step.estimatedMs} ms`,
    escape(step.source),
  ]);
  return `<p>${escape(plan.reason)}</p>${table(['step', 'service down', 'estimated', 'source'], rows)}
<p>Estimated downtime: <b>${plan.estimatedDowntimeMs} ms</b>. ${escape(plan.whyNotLess)}</p>`;
}

function steps(all: readonly ReportStep[]): string {
  const rows = all.map((step) => [
    `<code>${escape(step.stepId)}</code>`,
    escape(step.phase),
    marked(step.status),
    step.tookMs === null ? '' : `${step.tookMs} ms`,
    step.interruption?.measured ? `${Math.round(step.interruption.longestMs)} ms` : '',
    escape(step.reason ?? ''),
  ]);
  return table(['step', 'phase', 'status', 'took', 'interruption', 'reason'], rows);
}

function gates(report: RolloutReport): string {
  return table(
    ['gate', 'requirement', 'status', 'reason'],
    report.gates.map((gate) => [escape(gate.gate), gate.requirement, marked(gate.status), escape(gate.reason)]),
  );
}

function story(report: RolloutReport): string {
  return `<ol>${report.story.map((line) => `<li><span class="soft">${escape(line.at ?? '')}</span> ${escape(line.what)}</li>`).join('\n')}</ol>`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escape(value: string): string {
  return value.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
