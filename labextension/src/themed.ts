/** A memo's page in JupyterLab's theme: a frame is told the browser's preference only, so its style sheet is told ours. */

const HEAD = /<head[\s>][\s\S]*?<\/head>/i;

/**
 * The page with its light or dark side out.
 *
 * Only the head is touched: conditions on the preferred colour scheme become true or false, and the scheme of the browser's own
 * controls is set. What a reader sees of the memo's content, its payload and its seal stays as it is; the file isn't touched.
 */
export function themed(page: string, isLight: boolean): string {
  const wanted = isLight ? 'light' : 'dark';
  return page.replace(HEAD, head =>
    head
      .replace(/\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)/gi, (_, scheme: string) =>
        scheme.toLowerCase() === wanted ? '(min-width:0)' : '(max-width:0)'
      )
      .replace(/(<meta\s+name="color-scheme"\s+content=")[^"]*"/i, `$1${wanted}"`)
  );
}
