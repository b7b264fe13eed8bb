/** The settings as they are used: folder of all experiments, seconds between looks, look of states. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import type { Model } from './model';

/** A root as the server wants it: no slash at either end. */
export function trimmed(root: string): string {
  return root.replace(/^\/+|\/+$/g, '');
}

export class Settings {
  constructor(private readonly _model: Model) {}

  /** Read them, and follow their changes; without them the defaults of the code hold. */
  async load(registry: ISettingRegistry, plugin: string): Promise<void> {
    try {
      const found = (this._found = await registry.load(plugin));
      found.changed.connect(() => { this._apply(found); });
      this._apply(found);
    } catch (error) {
      console.warn('xpbench: settings could not be read', error);
    }
  }

  /** Choose the folder of all experiments and list it. */
  async setRoot(root: string): Promise<void> {
    this._model.configure({ root, seconds: seconds(this._found) });
    await this._found?.set('root', root);
    await this._model.refresh();
  }

  private _apply(found: ISettingRegistry.ISettings): void {
    const root = found.get('root').composite;
    this._model.configure({ root: typeof root === 'string' ? trimmed(root) : '', seconds: seconds(found) });
    document.body.dataset['xpTheme'] = found.get('theme').composite === 'plain' ? 'plain' : 'colour';
  }

  private _found: ISettingRegistry.ISettings | null = null;
}

function seconds(settings: ISettingRegistry.ISettings | null): number {
  const found = settings?.get('refreshSeconds').composite;
  return typeof found === 'number' ? found : 5;
}
