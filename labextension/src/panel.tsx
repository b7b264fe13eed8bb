/** The side panel: every experiment of a folder, searched and counted. */

import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { CommandIDs } from './commands';
import { experimentsIcon } from './icons';
import { matching, repeatedTitles, sorted } from './listing';
import type { Model } from './model';
import { Row } from './row';
import type { IListing } from './types';

export class Panel extends ReactWidget {
  constructor(
    private readonly _model: Model,
    private readonly _commands: CommandRegistry,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.id = 'xpbench-panel';
    this.addClass('xp-Panel');
    this.title.icon = experimentsIcon;
    this.title.caption = _trans.__('Experiments');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', _trans.__('Experiments'));
    _model.changed.connect(() => { this.update(); });
  }

  protected override onAfterShow(): void {
    void this._model.refresh();
  }

  protected override render(): React.JSX.Element {
    return <Experiments model={this._model} commands={this._commands} trans={this._trans} />;
  }
}

interface IProps {
  model: Model;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

function Experiments({ model, commands, trans }: IProps): React.JSX.Element {
  const [search, setSearch] = React.useState('');
  const listing = model.listing;
  const items = React.useMemo(() => sorted(listing?.items ?? []), [listing]);
  const shown = React.useMemo(() => matching(items, search), [items, search]);
  const tried = useTried(model, listing?.root ?? '', shown.length === 0 ? search : '');
  const closest = tried.flatMap(key => items.filter(item => item.key === key && item.state !== 'draft'));
  const twice = React.useMemo(() => repeatedTitles(items), [items]);
  const run = (command: string, args: Record<string, string> = {}): void => {
    void commands.execute(command, args);
  };
  return (
    <>
      <header className="xp-Header">
        <h2>{trans.__('Experiments')}</h2>
        <span className="xp-HeaderButtons">
          <button className="xp-Button" onClick={() => { run(CommandIDs.create, { template: 'plan' }); }}>
            {trans.__('New plan')}
          </button>
          <button className="xp-Button" onClick={() => { run(CommandIDs.refresh); }} aria-label={trans.__('Refresh experiments')} title={trans.__('Refresh')}>
            ↻
          </button>
        </span>
      </header>
      {model.problem !== '' && (
        <p className="xp-Problem" role="alert">
          ▲ {trans.__('The list could not be read:')} {model.problem}
        </p>
      )}
      {listing !== null && <Root listing={listing} trans={trans} onChoose={root => { run(CommandIDs.chooseRoot, { root }); }} />}
      {listing !== null && items.length > 0 && (
        <>
          <input
            className="xp-Search"
            type="search"
            value={search}
            placeholder={trans.__('Title, key, owner, state')}
            aria-label={trans.__('Search experiments')}
            onChange={event => { setSearch(event.target.value); }}
          />
          <p className="xp-Counts" role="status">
            {counts(listing, shown.length, trans)}
          </p>
          {closest.length > 0 && <p className="xp-Closest" role="status">{trans.__('Nothing has all of these words. The closest that was tried:')}</p>}
          <ul className="xp-List" aria-label={closest.length > 0 ? trans.__('Closest experiments') : trans.__('All experiments')}>
            {(closest.length > 0 ? closest : shown).map(item => (
              <Row key={`${item.key}:${item.path}`} item={item} root={listing.root} twice={twice.has(item.title)} run={run} trans={trans} />
            ))}
          </ul>
        </>
      )}
      {listing !== null && items.length === 0 && <Empty listing={listing} run={run} trans={trans} />}
      {listing === null && model.problem === '' && <p className="xp-Counts">{trans.__('Reading experiments …')}</p>}
    </>
  );
}

/** Keys of the experiments that fit a question best; asked once the person has stopped typing. */
function useTried(model: Model, root: string, question: string): readonly string[] {
  const [answer, setAnswer] = React.useState<{ question: string; keys: readonly string[] }>({ question: '', keys: [] });
  React.useEffect(() => {
    if (question.trim() === '') {
      return;
    }
    let isOver = false;
    const timer = window.setTimeout(() => {
      model.api.tried(root, question).then(
        found => {
          if (!isOver) {
            setAnswer({ question, keys: found.keys });
          }
        },
        () => undefined // the list itself says what is wrong with the server
      );
    }, 300);
    return () => {
      isOver = true;
      window.clearTimeout(timer);
    };
  }, [model, root, question]);
  return question !== '' && answer.question === question ? answer.keys : [];
}

function counts(listing: IListing, shown: number, trans: TranslationBundle): string {
  const total = listing.items.length;
  const parts = [shown === total ? trans._n('%1 experiment', '%1 experiments', total) : trans.__('%1 of %2', shown, total)];
  if (listing.due > 0) {
    parts.push(trans.__('%1 due', listing.due));
  }
  if (listing.overdue > 0) {
    parts.push(trans.__('%1 overdue', listing.overdue));
  }
  if (listing.broken > 0) {
    parts.push(trans.__('%1 broken', listing.broken));
  }
  return parts.map(part => part.replace(/ /g, '\u00a0')).join(' · '); // a line breaks between the parts only
}

function Root(props: { listing: IListing; trans: TranslationBundle; onChoose: (root: string) => void }): React.JSX.Element {
  const { listing, trans, onChoose } = props;
  const roots = listing.roots.includes(listing.root) ? listing.roots : [listing.root, ...listing.roots];
  return roots.length > 1 ? (
    <label className="xp-Root">
      {trans.__('Folder')}
      <select value={listing.root} onChange={event => { onChoose(event.target.value); }}>
        {roots.map(root => (
          <option key={root}>{root}</option>
        ))}
      </select>
    </label>
  ) : (
    <p className="xp-Root" title={listing.root}>
      {trans.__('Folder')} <code>{listing.root}</code>
    </p>
  );
}

function Empty(props: { listing: IListing; run: (command: string, args?: Record<string, string>) => void; trans: TranslationBundle }): React.JSX.Element {
  const { listing, run, trans } = props;
  return (
    <div className="xp-Empty">
      <experimentsIcon.react tag="div" className="xp-EmptyIcon" />
      <p>
        <strong>{listing.exists ? trans.__('No experiments yet.') : trans.__('There is no folder "%1".', listing.root)}</strong>
      </p>
      <p>{trans.__('Experiments are listed here from plan to decision: what is sealed, what is due, whether the data can be trusted.')}</p>
      <button className="xp-Button xp-mod-primary" onClick={() => { run(CommandIDs.demo); }}>
        {trans.__('Start the demo')}
      </button>
      <button className="xp-Button" onClick={() => { run(CommandIDs.create, { template: 'plan' }); }}>
        {trans.__('Write a plan')}
      </button>
      <button className="xp-Button" onClick={() => { run(CommandIDs.chooseRoot); }}>
        {trans.__('Choose another folder')}
      </button>
    </div>
  );
}
