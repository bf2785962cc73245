import { expect, test } from 'vitest'
import { merchantPage, suggestSlug } from './slug'

test.each([
  ['https://shop.example/kettle?tag=blog', 'kettle'],
  ['shop.example/Copper-Kettle.html', 'copper-kettle'],
  ['https://www.amazon.com/Ember-Temperature-Control-Mug/dp/B07W9BRYDN?tag=x', 'ember-temperature-control-mug'],
  ['https://www.awin1.com/cread.php?awinmid=1&ued=https%3A%2F%2Fshop.example%2Fp%2Fgooseneck-kettle', 'gooseneck-kettle'],
  ['https://shop.example/', 'shop'],
  ['https://www.shop.example/products/123456', 'shop'],
  ['https://shop.example/a/caf%C3%A9-cr%C3%A8me', 'cafe-creme'],
  ['https://shop.example/{link}/kettle', 'kettle'],
  ['https://shop.example/%E0%A4%A', 'e0-a4-a'],
  ['javascript:alert(1)', ''],
  ['not a url', ''],
  ['', ''],
])('%s suggests %j', (url, want) => expect(suggestSlug(url)).toBe(want))

test('a long name ends at a word', () => {
  const slug = suggestSlug('https://shop.example/the-very-best-and-most-beautiful-copper-kettle-of-the-year')
  expect(slug.length).toBeLessThanOrEqual(40)
  expect(slug).toBe('the-very-best-and-most-beautiful-copper')
})

test.each([
  ['https://www.awin1.com/cread.php?awinmid=1&ued=https%3A%2F%2Fshop.example%2Fkettle', 'https://shop.example/kettle'],
  ['https://prf.hn/click/camref:1101l8/destination:https%3A%2F%2Fshop.example%2Fbag', 'https://shop.example/bag'],
  ['https://shop.example/kettle?ref=https', ''],
])('the merchant’s page in %s', (url, want) => expect(merchantPage(url)).toBe(want))
