"""Makes the images that Go's standard library cannot encode (Pillow 13.0.0)."""

from PIL import Image


def picture(corner):
    image = Image.new("RGB", (16, 12), (40, 90, 200))
    image.paste(corner, (0, 0, 8, 6))
    return image


first, second = picture((220, 30, 30)), picture((30, 220, 30))
first.convert("CMYK").save("cmyk.jpg", quality=95)
first.save("still.webp", lossless=True)
first.save("animated.webp", save_all=True, append_images=[second], lossless=True)
alpha = [image.convert("RGBA") for image in (first, second)]
alpha[0].putpixel((15, 11), (0, 0, 0, 0))
alpha[0].save("animated-alpha.webp", save_all=True, append_images=alpha[1:], quality=95)
first.save("animated.gif", save_all=True, append_images=[second])
first.save("animated.png", save_all=True, append_images=[second])
